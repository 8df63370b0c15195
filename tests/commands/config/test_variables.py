"""Options for variables of a config reach whatever refers to them, and nothing else."""

import pytest
from mmengine.config import Config

from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.errors import UserError

BASE = """
data_root = 'data/mine'
other_root = 'data/mine'
default_scope = 'mmpretrain'
size, patch = 96, 32
classes = ('a', 'b', 'c')
reduce = False
mask = dict(type='Mask', ratio=0.6, sizes=dict(patch=patch, side=size // patch))
norm = dict(eps=1)
steps = [dict(type='Load'), mask, dict(type='Pack')]
unused = dict(type='Unused', a=1)
randomness = dict(seed=0)
data_preprocessor = dict(type='Preprocessor', mean=[1, 2, 3])
bgr_mean = data_preprocessor['mean'][::-1]
model = dict(
    img_size=size,
    num_classes=len(classes),
    depth=3,
    other_classes=3,
    scope='mmpretrain',
    norm=norm,
    other_norm=dict(norm, affine=False),
    data_preprocessor=data_preprocessor,
    checkpoint='data/mine/model.pth')
train_dataloader = dict(
    dataset=dict(datasets=[dict(data_root=data_root), dict(data_root='data/more')], other=dict(mask, ratio=0.5),
                 pipeline=steps, fill=bgr_mean, reduce=reduce, half=False))
val_dataloader = dict(
    dataset=dict(roots=(data_root, 'x'), own=f'{data_root}/val', classes=classes,
                 pipeline=(steps[0], dict(mask, seed=0))))
val_evaluator = dict(ann_file='/'.join([data_root, 'val.json']), note='data/mine2')
"""
DERIVED = """
_base_ = 'base.py'

train_images = 'images/train'
val_images = 'images/val'
train_dataloader = dict(dataset=dict(prefix=train_images, folder={{_base_.data_root}}))
val_dataloader = dict(dataset=dict(prefix=val_images, folder=_base_.data_root + '/again'))
steps = _base_.steps
steps[0].update(backend='cv2')
test_dataloader = dict(dataset=dict(pipeline=steps))
mask = dict(ratio=0.7)
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'derived.py').write_text(DERIVED)
    return str(tmp_path / 'base.py')


@pytest.fixture
def derived(path):
    return path.replace('base.py', 'derived.py')


def test_all_that_refers_to_a_variable_follows(derived, path):
    cfg, messages = read_with_options(derived, dict(data_root='/new'))
    assert cfg.data_root == cfg.train_dataloader.dataset.datasets[0].data_root == '/new'
    assert cfg.val_dataloader.dataset.roots == ('/new', 'x') and cfg.val_dataloader.dataset.own == '/new/val'
    assert cfg.train_dataloader.dataset.folder == '/new' and cfg.val_dataloader.dataset.folder == '/new/again'
    assert cfg.val_evaluator == dict(ann_file='/new/val.json', note='data/mine2')
    assert cfg.other_root == 'data/mine' and cfg.train_dataloader.dataset.datasets[1].data_root == 'data/more'
    assert messages[0] == f"--cfg-options data_root: set to '/new' in {path}." and len(messages) == 2
    assert '/new' in cfg.pretty_text and "'data/mine/val.json'" not in cfg.pretty_text


def test_what_is_written_out_once_more_is_named(path):
    cfg, messages = read_with_options(path, dict(data_root='/new'))
    assert cfg.model.checkpoint == 'data/mine/model.pth'
    assert messages[1].startswith('--cfg-options data_root: these have the old value without referring to data_root '
                                  'and were NOT changed.')
    assert messages[1].endswith(': model.checkpoint=/new/model.pth.')
    assert len(read_with_options(path, {'data_root': '/new', 'model.checkpoint': 'x.pth'})[1]) == 1


@pytest.mark.parametrize('name', ['run.py', 'run.json'])
def test_a_config_without_references_follows_by_values(name, path, tmp_path):
    """Such as the one that MMEngine writes into the folder of a run."""
    options = {'data_root': '/new', 'mask.type': 'Square', 'classes': ['x'], 'data_preprocessor.mean': [4, 5, 6],
               'reduce': True}
    expected = read_with_options(path, options)[0]
    Config.fromfile(path).dump(tmp_path / name)
    cfg, messages = read_with_options(str(tmp_path / name), options)
    assert cfg.train_dataloader.dataset.fill == [3, 2, 1] and cfg.train_dataloader.dataset.other.type == 'Mask'
    cfg.train_dataloader.dataset.update(fill=[6, 5, 4], other=expected.train_dataloader.dataset.other)
    if name == 'run.py':  # JSON has no tuples
        assert cfg.val_dataloader == expected.val_dataloader
    for section in ('model', 'train_dataloader', 'val_evaluator'):
        assert cfg[section] == expected[section]
    messages = [message for message in messages if 'were changed as well: ' in message]
    assert sorted(messages[0].rstrip('.').split(': ')[-1].split(', ')) == [
        'train_dataloader.dataset.datasets.0.data_root', 'val_dataloader.dataset.own', 'val_dataloader.dataset.roots.0',
        'val_evaluator.ann_file']
    assert [message.split(':')[0].split()[1] for message in messages] == [
        'data_root', 'mask', 'classes', 'data_preprocessor', 'reduce']


def test_paths_elsewhere_do_not_follow_by_values(path, tmp_path):
    Config.fromfile(path).dump(tmp_path / 'run.py')
    cfg, messages = read_with_options(str(tmp_path / 'run.py'), dict(data_root='/new'))
    assert cfg.model.checkpoint == 'data/mine/model.pth' and messages[-1].endswith(': model.checkpoint=/new/model.pth.')


def test_computed_numbers_follow(path):
    cfg, messages = read_with_options(path, dict(size=192))
    assert cfg.model.img_size == 192 and cfg.mask.sizes == cfg.steps[1].sizes == dict(patch=32, side=6)
    assert cfg.val_dataloader.dataset.pipeline[1].sizes.side == 6
    assert messages == [f'--cfg-options size: set to 192 in {path}.']


def test_the_number_of_classes_follows_their_names(path):
    cfg, messages = read_with_options(path, dict(classes=['nucleus']))
    assert cfg.val_dataloader.dataset.classes == ['nucleus'] and cfg.model.num_classes == 1
    assert cfg.model.depth == cfg.model.other_classes == 3 and len(messages) == 1
    assert read_with_options(path, {'classes': ['x', 'y'], 'model.num_classes': 5})[0].model.num_classes == 5


def test_a_switch(path):
    cfg = read_with_options(path, dict(reduce=True))[0]
    assert cfg.train_dataloader.dataset.reduce and not cfg.train_dataloader.dataset.half


def test_options_for_sections_have_the_last_word(path):
    cfg = read_with_options(path, {'train_dataloader.dataset.datasets.0.data_root': 'data/mine', 'data_root': '/new',
                             'train_dataloader.dataset.pipeline.1.ratio': 0.5, 'mask.ratio': 0.4})[0]
    assert cfg.train_dataloader.dataset.datasets[0].data_root == 'data/mine'
    assert cfg.val_dataloader.dataset.roots[0] == '/new'
    assert cfg.train_dataloader.dataset.pipeline[1] == dict(cfg.mask, ratio=0.5)
    assert cfg.val_dataloader.dataset.pipeline[1] == dict(cfg.mask, seed=0) and cfg.mask.ratio == 0.4


def test_variables_of_one_value_are_told_apart(path):
    cfg = read_with_options(path, dict(data_root='/a', other_root='/b'))[0]
    assert (cfg.other_root, cfg.val_dataloader.dataset.roots[0]) == ('/b', '/a')


@pytest.mark.parametrize('order', [1, -1])
@pytest.mark.parametrize('dumped', [None, 'run.py', 'run.json'])
def test_a_new_value_may_be_the_old_one_of_another_variable(order, dumped, derived, tmp_path):
    if dumped:
        Config.fromfile(derived).dump(tmp_path / dumped)
        derived = str(tmp_path / dumped)
    options = dict(train_images='images/val', val_images='images/test')
    cfg, messages = read_with_options(derived, dict(list(options.items())[::order]))
    assert cfg.train_dataloader.dataset.prefix == 'images/val'
    assert cfg.val_dataloader.dataset.prefix == 'images/test'


def test_settings_and_sections_are_no_variables(path):
    assert read_with_options(path, {'default_scope': 'mmdet', 'randomness.seed': 7, 'model.norm.eps': 2})[1] == []
    cfg = read_with_options(path, {'default_scope': 'mmdet', 'model.norm.eps': 2})[0]
    assert cfg.model.scope == 'mmpretrain' and cfg.norm.eps == 1 and cfg.model.norm.eps == 2


def test_a_preprocessor_is_both(path):
    cfg = read_with_options(path, {'data_preprocessor.mean': [4, 5, 6]})[0]
    assert cfg.model.data_preprocessor == cfg.data_preprocessor == dict(type='Preprocessor', mean=[4, 5, 6])
    assert cfg.train_dataloader.dataset.fill == [6, 5, 4]


def test_a_part_of_a_dictionary(path):
    cfg, messages = read_with_options(path, {'mask.ratio': 0.4, 'mask.sizes.patch': 16})
    new = dict(type='Mask', ratio=0.4, sizes=dict(patch=16, side=3))
    assert cfg.mask == cfg.steps[1] == cfg.train_dataloader.dataset.pipeline[1] == new
    assert cfg.val_dataloader.dataset.pipeline == (dict(type='Load'), dict(new, seed=0))
    assert cfg.train_dataloader.dataset.other == dict(new, ratio=0.5)
    assert messages == [f'--cfg-options mask.ratio: set to 0.4 in {path}.',
                        f'--cfg-options mask.sizes.patch: set to 16 in {path}.']
    cfg = read_with_options(path, {'norm.eps': 2})[0]
    assert cfg.model.norm == dict(eps=2) and cfg.model.other_norm == dict(eps=2, affine=False)


def test_keys_can_be_added_and_all_can_be_replaced(path):
    cfg, messages = read_with_options(path, {'mask.position': 'central'})
    assert cfg.mask.position == 'central' and cfg.val_dataloader.dataset.pipeline[1] == dict(cfg.mask, seed=0)
    assert messages[0].startswith('--cfg-options mask.position: the config had no such key') and len(messages) == 2
    cfg = read_with_options(path, {'mask._delete_': True, 'mask.type': 'Square'})[0]
    assert cfg.train_dataloader.dataset.pipeline[1] == cfg.mask == dict(type='Square')
    assert cfg.val_dataloader.dataset.pipeline[1] == dict(type='Square', seed=0)


def test_a_part_is_set_in_the_file_that_gives_it(derived, path):
    cfg, messages = read_with_options(derived, {'mask.sizes.patch': 16, 'mask.ratio': 0.4})
    assert cfg.mask == dict(type='Mask', ratio=0.4, sizes=dict(patch=16, side=3))
    assert cfg.val_dataloader.dataset.pipeline[1] == dict(cfg.mask, ratio=0.6, seed=0)  # of the base's own ratio
    assert messages[:2] == [f'--cfg-options mask.sizes.patch: set to 16 in {path}.',
                            f'--cfg-options mask.ratio: set to 0.4 in {derived}.']


def test_a_part_of_a_list_that_is_changed_in_place(derived):
    cfg = read_with_options(derived, {'steps.0.backend': 'pillow', 'steps.1.ratio': 0.3})[0]
    assert cfg.test_dataloader.dataset.pipeline == cfg.steps
    assert [step.get('ratio', step.get('backend')) for step in cfg.steps] == ['pillow', 0.3, None]
    assert cfg.mask.ratio == 0.7


def test_a_value_that_the_file_changes_behind_our_back_is_reported(path, tmp_path):
    (tmp_path / 'late.py').write_text(f'{BASE}\nfor step in steps:\n    step.update(late=1)\n'
                                      'test_dataloader = dict(pipeline=steps)\n')
    cfg, messages = read_with_options(str(tmp_path / 'late.py'), {'steps.0.late': 2})
    assert cfg.test_dataloader.pipeline[0].late == 1 and cfg.steps[0].late == 2
    assert 'changes it again later' in messages[0]


def test_a_variable_without_effect_is_reported(path):
    cfg, messages = read_with_options(path, {'unused.a': 2, 'unused.b': 3})
    assert cfg.unused == dict(type='Unused', a=2, b=3)
    assert messages[-1].startswith('--cfg-options unused.a unused.b: nothing else changed')
    Config.fromfile(path).dump(path.replace('base', 'dumped'))
    assert 'nothing else changed' in read_with_options(path.replace('base', 'dumped'), dict(size=192))[1][-1]


def test_a_list_stays_a_list(path):
    with pytest.raises(UserError, match=r'Write classes=\[nucleus\]'):
        read_with_options(path, dict(classes='nucleus'))


def test_a_value_with_which_the_config_cannot_be_read(path):
    with pytest.raises(UserError, match='cannot be read with patch = 0 in .*base.py: ZeroDivisionError: '):
        read_with_options(path, dict(patch=0))
