"""Detectors and segmentors in the tools and inferencers: only the first training reads the file of ``init_cfg``."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import itertools
import os
import pickle
import runpy
import shutil
import sys
from pathlib import Path

import mmengine
import pytest
import torch
import yapf.yapflib.yapf_api
from mmengine.registry import DefaultScope

from mmsimmim.layers import resize_bias_table
from tests.downstream.pretrained import CHANNELS, downstream, parameters, save
from tests.downstream.stock_models import DETECTOR, SEGMENTOR
from tests.downstream.tiny_data import CLASSES, write_config, write_data

REPO = Path(__file__).resolve().parents[2]
NUMBERS = itertools.count()
TABLE = 'relative_position_bias_table'


def run(tool, *arguments, options=()):
    """Run a tool in this process, under a name of its own: else runs within one second share a log."""
    name = f'experiment_name=run_{next(NUMBERS)}'
    argv, sys.argv = sys.argv, [tool, *map(str, arguments), '--cfg-options', name, *options]
    try:
        runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
    finally:
        sys.argv = argv
        DefaultScope._instance_dict.clear()


def log_of(folder):
    return ''.join(path.read_text() for path in sorted(folder.rglob('*.log')))


def weights_of(checkpoint):
    return torch.load(checkpoint, weights_only=True)['state_dict']


@pytest.fixture(scope='module', autouse=True)
def plain_configs():
    """MMEngine lays out the text of a config anew each time that it writes it, which takes longer than the training."""
    with pytest.MonkeyPatch.context() as patch:
        # upstream has the function by name since it was imported, the fork imports it where it is called
        for owner in (mmengine.config.config, yapf.yapflib.yapf_api):
            patch.setattr(owner, 'FormatCode', lambda text, **style: (text, False), raising=False)
        yield


class Run:
    """A training of one epoch whose first file is gone afterwards."""

    def __init__(self, framework, folder):
        self.framework, self.folder, self.work_dir = framework, folder, folder / 'work'
        write_data(folder)
        self.pretrained, self.saved = save('swin', 'official', folder)
        backbone = downstream('swin', larger=True, init_cfg=dict(type='Pretrained', checkpoint=self.pretrained))
        self.config = write_config(framework, backbone, CHANNELS['swin'], folder)
        run('train.py', self.config, '--work-dir', self.work_dir)
        os.remove(self.pretrained)
        self.checkpoint = str(self.work_dir / 'epoch_1.pth')


@pytest.fixture(scope='module', params=[DETECTOR, SEGMENTOR])
def trained(request, tmp_path_factory):
    return Run(request.param, tmp_path_factory.mktemp(request.param))


def test_training_begins_with_the_file_and_says_so(trained):
    assert 'SwinTransformer: 106 of 112 parameters matched (7 of them resized)' in log_of(trained.work_dir)
    weights = weights_of(trained.checkpoint)
    given = parameters(trained.saved)
    del given['mask_token']
    for name, value in given.items():
        expected = resize_bias_table(value, 13 * 13) if name.endswith(TABLE) else value
        assert torch.equal(weights[f'backbone.{name}'], expected)


def test_the_log_says_nothing_twice_and_nothing_for_developers(trained):
    text = log_of(trained.work_dir)
    assert text.count('parameters matched (') == text.count('Parameters of ') == 1
    for noise in ('do not match exactly', 'paramwise_options', 'will be deprecated', 'prefix is not set',
                  'Loads checkp'):
        assert noise not in text


def test_a_fresh_training_without_the_file_is_refused(trained, tmp_path):
    for arguments in ([], ['--resume']):  # there is nothing to resume in the folder
        with pytest.raises(SystemExit) as caught:
            run('train.py', trained.config, '--work-dir', tmp_path, *arguments)
        assert str(caught.value).startswith(
            f'error: model.backbone.init_cfg.checkpoint: the checkpoint {trained.pretrained} does not exist')


RUNNERS = pytest.mark.parametrize('runner', [[], ['runner_type=FlexibleRunner']], ids=['Runner', 'FlexibleRunner'])


@RUNNERS
def test_resuming_needs_no_first_file(trained, tmp_path, runner):
    shutil.copy(trained.checkpoint, tmp_path)
    first = weights_of(trained.checkpoint)
    run('train.py', trained.config, '--work-dir', tmp_path, '--resume', options=['train_cfg.max_epochs=2', *runner])
    assert 'resumed epoch: 1, iter: 2' in log_of(tmp_path) and log_of(tmp_path).count('parameters matched (') == 1
    second = weights_of(tmp_path / 'epoch_2.pth')
    changed = {name.split('.')[0] for name in first if not torch.equal(first[name], second[name])}
    assert changed == ({'neck', 'rpn_head', 'roi_head'} if trained.framework == DETECTOR else
                       {'decode_head', 'auxiliary_head'})
    # the config that is kept still tells what the first training began with
    assert trained.pretrained in (tmp_path / f'{trained.framework}.py').read_text()


@RUNNERS
def test_testing_needs_no_first_file(trained, tmp_path, runner):
    run('test.py', trained.config, trained.checkpoint, '--work-dir', tmp_path, options=runner)
    metric = 'coco/bbox_mAP' if trained.framework == DETECTOR else 'mIoU'
    assert f'{metric}: ' in log_of(tmp_path) and log_of(tmp_path).count('parameters matched (') == 1


def test_a_backbone_alone_is_no_model_to_test_or_resume(trained, tmp_path):
    path, _ = save('swin', 'pre-training', tmp_path)
    with pytest.raises(SystemExit, match='not one of the model in the config: of .* parameters, it lacks'):
        run('test.py', trained.config, path, '--work-dir', tmp_path)
    with pytest.raises(SystemExit, match='holds no state of a training that could go on'):
        run('train.py', trained.config, '--resume', path, '--work-dir', tmp_path)


@pytest.mark.parametrize('framework', [DETECTOR, SEGMENTOR])
def test_training_from_another_architecture_ends_in_one_sentence(tmp_path, framework):
    write_data(tmp_path)
    path, _ = save('swin_v2', 'pre-training', tmp_path)
    backbone = downstream('swin', init_cfg=dict(type='Pretrained', checkpoint=path))
    config = write_config(framework, backbone, CHANNELS['swin'], tmp_path)
    with pytest.raises(SystemExit, match='^error: .*: the checkpoint does not fit this SwinTransformer.*Swin V2'):
        run('train.py', config, '--work-dir', tmp_path / 'work')
    assert not list((tmp_path / 'work').glob('*.pth'))


def test_weights_and_meta_alone_are_read_without_this_package(trained, tmp_path):
    """PyTorch from 2.6 on refuses what MMEngine writes beside them, such as the history of the losses."""
    whole = torch.load(trained.checkpoint, weights_only=True)
    torch.save({key: whole[key] for key in ('meta', 'state_dict')}, tmp_path / 'model.pth')
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with pytest.raises(pickle.UnpicklingError):
            torch.load(trained.checkpoint, weights_only=True)
        model = torch.load(tmp_path / 'model.pth', weights_only=True)
    finally:
        torch.serialization.add_safe_globals(allowed)
    assert model['meta']['dataset_meta']['classes'] == CLASSES
    assert model['state_dict'].keys() == whole['state_dict'].keys()


def test_inferencers_need_no_first_file(trained):
    image = str(trained.folder / 'images' / '0.png')
    weights = weights_of(trained.checkpoint)
    if trained.framework == DETECTOR:
        from mmdet.apis import DetInferencer, inference_detector, init_detector
        model = init_detector(trained.config, trained.checkpoint, device='cpu', cfg_options=dict(a=1))
        result, = inference_detector(model, [image])
        boxes = result.pred_instances.bboxes
        inferencer = DetInferencer(trained.config, trained.checkpoint, device='cpu', show_progress=False)
        prediction, = inferencer(image, no_save_vis=True)['predictions']
        assert len(boxes) > 0 and torch.allclose(torch.tensor(prediction['bboxes']), boxes, atol=1e-3)
    else:
        from mmseg.apis import MMSegInferencer, inference_model, init_model
        model = init_model(trained.config, trained.checkpoint, device='cpu')
        labels = inference_model(model, image).pred_sem_seg.data[0]
        inferencer = MMSegInferencer(trained.config, trained.checkpoint, device='cpu')
        assert torch.equal(torch.from_numpy(inferencer(image)['predictions']), labels)
    DefaultScope._instance_dict.clear()
    for loaded in (model, inferencer.model):
        assert all(torch.equal(value, weights[name]) for name, value in loaded.state_dict().items())
