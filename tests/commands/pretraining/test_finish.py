"""What a pre-training leaves, taken into other code bases, and the commands that it ends with, given."""

import errno
import os
import shlex
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmsimmim
from mmsimmim.__main__ import main
from mmsimmim.architectures import SWIN
from mmsimmim.checkpoints import write_checkpoint
from mmsimmim.commands.pretraining import finish
from mmsimmim.commands.pretraining.next_commands import next_commands
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.downstream.stock_models import build
from tests.downstream.tiny_data import CLASSES, write_data

ATTO = SWIN['atto']
WIDTHS = [24, 48, 96, 192]
WINDOW = 4


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def encoder_of(checkpoint):
    return {name: value for name, value in weights(checkpoint).items()
            if name.startswith('backbone.') and name != 'backbone.mask_token'}


@pytest.fixture(scope='module')
def inputs():
    return torch.randn(2, 3, 128, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope='module')
def last_map(run, inputs):
    """Of our encoder, from the checkpoint of the training itself."""
    return mmsimmim.load(run.result.checkpoint, kind='encoder', dtype=torch.float64)(inputs)[-1]


def assert_same(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
class TestCodeBases:

    def test_ours_has_every_bit(self, run):
        trained = encoder_of(run.result.checkpoint)
        loaded = mmsimmim.load(run.result.files['backbone']).state_dict()
        assert len(trained) > 50 and all(torch.equal(loaded[name], value) for name, value in trained.items())

    @pytest.mark.parametrize('framework', ['mmdet', 'mmseg'])
    def test_mask_rcnn_and_upernet_of_the_stock_configs(self, run, inputs, framework):
        """With the framework's own Swin, and with ours in its place."""
        common = dict(window_size=WINDOW, drop_path_rate=0., out_indices=(0, 1, 2, 3),
                      init_cfg=dict(type='Pretrained', checkpoint=run.result.files['backbone']))
        maps = []
        for backbone in (dict(type='SwinTransformer', **ATTO), dict(type='mmsimmim.SwinTransformer', arch='atto')):
            model = build(framework, dict(backbone, **common), channels=WIDTHS)
            model.backbone.init_weights()
            model.double().eval()
            maps.append(model.backbone(inputs))
        assert [level.shape[1] for level in maps[0]] == WIDTHS
        for theirs, ours in zip(*maps):
            assert_same(ours, theirs)
        # as in detection, windows are shifted in the last stage, too
        whole = mmsimmim.load(run.result.checkpoint, img_size='any', dtype=torch.float64)
        assert_same(whole(inputs)[-1], maps[0][-1])

    def test_timm(self, run, inputs, last_map):
        timm = pytest.importorskip('timm.models.swin_transformer')
        safetensors = pytest.importorskip('safetensors.torch')
        model = timm.SwinTransformer(img_size=128, patch_size=4, window_size=WINDOW, num_classes=0, **{
            key: ATTO[key] for key in ('depths', 'num_heads')}, embed_dim=ATTO['embed_dims'])
        model.load_state_dict(safetensors.load_file(run.result.files['timm']))
        assert_same(last_map, model.double().eval().forward_features(inputs).permute(0, 3, 1, 2))

    def test_hugging_face(self, run, inputs, last_map, tmp_path):
        transformers = pytest.importorskip('transformers')
        if not transformers.is_torch_available():
            pytest.skip('this transformers works with newer releases of torch only')
        transformers.SwinConfig(
            image_size=128, patch_size=4, window_size=WINDOW, embed_dim=ATTO['embed_dims'], depths=ATTO['depths'],
            num_heads=ATTO['num_heads'], encoder_stride=32).save_pretrained(tmp_path)
        os.symlink(run.result.files['hf'], tmp_path / 'model.safetensors')
        model, info = transformers.SwinForMaskedImageModeling.from_pretrained(
            tmp_path, output_loading_info=True, dtype=torch.float64)
        assert not info['missing_keys'] and not info['mismatched_keys']
        theirs = model.eval().swin(inputs).last_hidden_state
        assert_same(last_map, theirs.transpose(1, 2).reshape(last_map.shape))


@pytest.mark.slow
class TestNextCommands:

    def test_pictures(self, run, monkeypatch):
        program, *arguments = shlex.split(run.result.summary['next_commands'][0])
        monkeypatch.setattr(sys, 'argv', [program, *arguments])
        main()
        assert len(list((run.out / 'reconstructions').rglob('*.png'))) == 8

    @pytest.mark.parametrize('number, short', [
        (1, ('data_root={data}', 'train_ann_file={data}/instances.json', 'train_images={data}/images',
             'train_cfg.max_epochs=1', 'train_dataloader.batch_size=4', 'model.rpn_head.feat_channels=16',
             'train_dataloader.dataset.pipeline.4.transforms.0.0.scales=[(64,64)]',
             'train_dataloader.dataset.pipeline.4.transforms.1.2.scales=[(64,64)]')),
        (2, ('data_root={data}', 'train_images=images', 'train_labels=labels', 'img_suffix=.png',
             'train_cfg.max_iters=1', 'param_scheduler.0.end=1', 'param_scheduler.1.begin=0',
             'model.decode_head.channels=16', 'train_dataloader.batch_size=2')),
    ])
    def test_a_detector_and_a_segmentor_train_from_it(self, run, tmp_path, monkeypatch, number, short):
        write_data(tmp_path)
        program, *arguments = shlex.split(run.result.summary['next_commands'][number])
        arguments[-2:] = [option.format(data=tmp_path) for option in short]
        arguments += [f'classes=[{",".join(CLASSES)}]', 'train_dataloader.num_workers=0',
                      'train_dataloader.persistent_workers=False', 'optim_wrapper.optimizer.lr=1e-30',
                      '--no-validate', '--work-dir', str(tmp_path / 'work')]
        monkeypatch.setattr(sys, 'argv', [program, *arguments])
        main()
        checkpoint, = (tmp_path / 'work').glob('*_1.pth')
        found, trained = weights(checkpoint), encoder_of(run.result.checkpoint)
        same = [name for name, value in trained.items()
                if found[name].shape == value.shape and torch.allclose(found[name], value, rtol=0, atol=1e-6)]
        assert len(same) == len(trained) - 8  # the others are tables of 8 blocks, for windows of 7


class TestPlaceholders:
    """What the commands say where the run itself cannot tell."""

    def commands(self, folder, **changes):
        cfg = Config(dict(model=dict(backbone=dict(type='mmsimmim.SwinTransformer', arch='tiny')),
                          train_dataloader=dict(dataset=dict(data_root=str(folder)))))
        cfg.merge_from_dict(changes)
        return next_commands(cfg, folder / 'pretrain_config.py', folder / 'iter_1.pth', str(folder / 'backbone.pth'))

    def test_of_a_listed_image_not_all_of_the_folder(self, tmp_path):
        (tmp_path / 'images.txt').write_text('b/2.png\na/1.png\n')
        reconstruct, *_ = self.commands(tmp_path, **{
            'train_dataloader.dataset.list_file': str(tmp_path / 'images.txt')})
        assert shlex.split(reconstruct)[2] == str(tmp_path / 'a' / '1.png')

    def test_the_configs_fit_a_tiny_swin_as_they_are(self, tmp_path):
        assert not any('in_channels' in command or 'arch' in command for command in self.commands(tmp_path))

    def test_a_comma_in_a_path_does_not_make_a_list(self, tmp_path):
        folder = tmp_path / 'a, b'
        for command in self.commands(folder)[1:]:
            words = shlex.split(command)
            assert words[:3] == ['cd', str(folder), '&&'] and 'model.backbone.init_cfg.checkpoint=backbone.pth' in words

    def test_another_encoder_has_no_shipped_detector(self, tmp_path):
        _, probe, train = self.commands(tmp_path, **{'model.backbone.type': 'mmsimmim.VisionTransformer'})
        assert probe.startswith('mmsimmim probe ') and train.startswith('mmsimmim train your_detector.py ')


class TestExport:

    @pytest.fixture
    def checkpoint(self, tmp_path):
        """Of a Swin whose last stage has a smaller window."""
        encoder = MODELS.build(dict(type='mmsimmim.SwinTransformer', arch='atto', img_size=96, window_size=6))
        path = tmp_path / 'iter_1.pth'
        torch.save(dict(state_dict={f'backbone.{name}': value for name, value in encoder.state_dict().items()}), path)
        return path

    def test_a_code_base_without_such_an_encoder_has_the_reason(self, checkpoint, tmp_path):
        files = finish.export(checkpoint, tmp_path)
        assert files['hf'].startswith('not written: the stages of this Swin have different windows')
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            'backbone.pth', 'backbone_timm.safetensors', 'iter_1.pth']

    def test_nan_is_the_same_as_nan(self, checkpoint, tmp_path):
        content = torch.load(checkpoint)
        content['state_dict']['backbone.norm3.bias'].fill_(float('nan'))
        torch.save(content, checkpoint)
        finish.export(checkpoint, tmp_path)
        assert torch.load(tmp_path / 'backbone.pth')['state_dict']['backbone.norm3.bias'].isnan().all()

    def test_a_file_with_other_weights_is_not_left(self, checkpoint, tmp_path, monkeypatch):
        def write(path, state_dict, *args):
            changed = {**state_dict, 'backbone.norm3.bias': state_dict['backbone.norm3.bias'] + 1e-7}
            write_checkpoint(path, changed, *args)

        monkeypatch.setattr(finish, 'write_checkpoint', write)
        with pytest.raises(UserError, match=r'other weights than were written: 1 of 119 .* norm3.bias\. .*was removed'):
            finish.export(checkpoint, tmp_path)
        assert os.listdir(tmp_path) == ['iter_1.pth']

    def test_a_file_that_is_cut_off_is_not_left(self, checkpoint, tmp_path, monkeypatch):
        def write(path, *args):
            write_checkpoint(path, *args)
            os.truncate(path, os.path.getsize(path) // 2)

        monkeypatch.setattr(finish, 'write_checkpoint', write)
        with pytest.raises(UserError, match='cut off or damaged.* The file was removed'):
            finish.export(checkpoint, tmp_path)
        assert os.listdir(tmp_path) == ['iter_1.pth']


@pytest.mark.slow
def test_a_full_disk_loses_no_training(run, monkeypatch):
    """What is exported before stays, nothing is half-written, and what is missing is made when there is room."""
    files, save = run.result.files, 'safetensors.torch.save_file'
    before = Path(files['timm']).read_bytes()

    def fill(state_dict, target, metadata):
        Path(target).write_bytes(b'half')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(save, fill)
        with pytest.raises(UserError, match='No space left on device.*What was trained is in .*iter_6.pth: mmsimmim'):
            mmsimmim.pretrain(None, run.out, resume=True)
    assert Path(files['timm']).read_bytes() == before and not list(run.out.glob('*.tmp'))
    assert 'not exported yet' in (run.out / 'report.html').read_text()
    assert mmsimmim.pretrain(None, run.out, resume=True) == run.result
    assert 'Finished after 6' in (run.out / 'report.html').read_text()
