"""Options for variables of a config reach the places where the config has used them."""

import pytest
from mmengine.config import Config

from mmsimmim.commands.common.options import merge_options
from mmsimmim.errors import UserError


@pytest.fixture
def cfg(tmp_path):
    (tmp_path / 'config.py').write_text("""
data_root = 'data/mine'
other_root = 'data/mine'
default_scope = 'mmpretrain'
size = 96
model = dict(img_size=size, pretrained=True, stem=1)
train_dataloader = dict(dataset=dict(type='Concat', datasets=[dict(data_root=data_root), dict(data_root='data/more')]))
val_dataloader = dict(dataset=dict(data_root=data_root, roots=(data_root, 'x'), scope='mmpretrain'))
val_evaluator = dict(ann_file=data_root + '/val.json', note='data/mine2')
""")
    return Config.fromfile(tmp_path / 'config.py')


def test_a_word_is_replaced_wherever_it_stands(cfg):
    messages = merge_options(cfg, dict(data_root='/new'))
    assert cfg.data_root == cfg.train_dataloader.dataset.datasets[0].data_root == '/new'
    assert cfg.val_dataloader.dataset.data_root == cfg.val_dataloader.dataset.roots[0] == '/new'
    assert cfg.train_dataloader.dataset.datasets[1].data_root == 'data/more' and cfg.other_root == 'data/mine'
    for key in ('train_dataloader.dataset.datasets.0.data_root', 'val_dataloader.dataset.data_root',
                'val_dataloader.dataset.roots.0'):
        assert f"--cfg-options data_root: {key} was 'data/mine', too, and is now '/new'." in messages


def test_paths_of_the_data_below_it_follow(cfg):
    messages = merge_options(cfg, dict(data_root='/new'))
    assert cfg.val_evaluator == dict(ann_file='/new/val.json', note='data/mine2')
    assert messages[-1] == ("--cfg-options data_root: val_evaluator.ann_file was 'data/mine/val.json', below it, and "
                            "is now '/new/val.json'.")


def test_a_folder_may_end_with_a_slash(cfg):
    cfg.data_root = cfg.val_dataloader.dataset.data_root = '/old/'
    cfg.val_evaluator.ann_file = '/old/val/a.json'
    merge_options(cfg, dict(data_root='/newer'))
    assert cfg.val_evaluator.ann_file == '/newer/val/a.json'


def test_a_path_of_its_own_does_not_follow_the_folder(cfg):
    cfg.val_file = cfg.val_evaluator.ann_file
    merge_options(cfg, dict(data_root='/new', val_file='data/mine/other.json'))
    assert cfg.val_evaluator.ann_file == 'data/mine/other.json'
    merge_options(cfg, {'data_root': '/newer', 'val_evaluator.ann_file': '/new/kept.json'})
    assert cfg.val_evaluator.ann_file == '/new/kept.json'


def test_other_paths_below_it_are_named(cfg):
    cfg.model.checkpoint = 'data/mine/model.pth'
    message = merge_options(cfg, dict(data_root='/new'))[-1]
    assert 'NOT changed' in message and message.endswith(': model.checkpoint.')
    assert cfg.model.checkpoint == 'data/mine/model.pth'


def test_options_of_their_own_come_first(cfg):
    merge_options(cfg, {'data_root': '/new', 'val_dataloader.dataset.data_root': 'data/mine'})
    assert cfg.val_dataloader.dataset.data_root == 'data/mine'
    assert cfg.train_dataloader.dataset.datasets[0].data_root == '/new'


def test_settings_of_mmengine_are_no_variables(cfg):
    assert merge_options(cfg, dict(default_scope='mmdet')) == []
    assert cfg.val_dataloader.dataset.scope == 'mmpretrain'


def test_a_number_is_reported_with_the_keys_that_hold_it(cfg):
    assert merge_options(cfg, dict(size=192))[0].endswith('set it as well: model.img_size.')
    assert cfg.model.img_size == 96


def test_a_number_reaches_the_keys_of_its_name(cfg):
    cfg.num_classes = cfg.model.num_classes = cfg.model.depth = 10
    cfg.model.heads = [dict(num_classes=10), dict(num_classes=4)]
    messages = merge_options(cfg, dict(num_classes=7))
    assert cfg.model.num_classes == cfg.model.heads[0].num_classes == 7
    assert cfg.model.heads[1].num_classes == 4 and cfg.model.depth == 10
    assert '--cfg-options num_classes: model.heads.0.num_classes was 10, too, and is now 7.' in messages
    assert messages[-1].endswith('set it as well: model.depth.')


def test_two_variables_of_one_value_cannot_be_told_apart(cfg):
    with pytest.raises(UserError, match='data_root other_root: .*train_dataloader.dataset.datasets.0.data_root'):
        merge_options(cfg, dict(data_root='/a', other_root='/b'))
    merge_options(cfg, dict(data_root='/a', other_root='/a'))
    assert cfg.val_dataloader.dataset.data_root == '/a'


def test_a_list_is_replaced_wherever_it_stands_and_its_length_with_it(cfg):
    cfg.classes = cfg.val_dataloader.dataset.classes = ('a', 'b', 'c')
    cfg.train_dataloader.dataset.datasets[0].metainfo = dict(classes=('a', 'b', 'c'), palette=None)
    cfg.train_dataloader.dataset.datasets[1].metainfo = dict(classes=('a', 'b'))
    cfg.model.heads = [dict(num_classes=3, depth=3), dict(num_classes=80)]
    messages = merge_options(cfg, dict(classes=['nucleus']))
    assert cfg.val_dataloader.dataset.classes == ['nucleus']
    assert [dataset.metainfo.classes for dataset in cfg.train_dataloader.dataset.datasets] == [['nucleus'], ('a', 'b')]
    assert [head.num_classes for head in cfg.model.heads] == [1, 80] and cfg.model.heads[0].depth == 3
    assert '--cfg-options classes: model.heads.0.num_classes was 3, their number, and is now 1.' in messages
    merge_options(cfg, {'classes': ['x', 'y'], 'model.heads.0.num_classes': 5})
    assert cfg.model.heads[0].num_classes == 5


def test_a_switch_reaches_the_keys_of_its_name(cfg):
    cfg.reduce = cfg.model.reduce = cfg.model.other = False
    messages = merge_options(cfg, dict(reduce=True))
    assert messages == ['--cfg-options reduce: model.reduce was False, too, and is now True.']
    assert cfg.model.reduce and not cfg.model.other


@pytest.mark.parametrize('order', [1, -1])
def test_a_new_value_may_be_the_old_one_of_another_variable(cfg, order):
    cfg.train_images, cfg.val_images = 'images/train', 'images/val'
    cfg.train_dataloader.dataset.prefix, cfg.val_dataloader.dataset.prefix = 'images/train', 'images/val'
    options = dict(train_images='images/val', val_images='images/test')
    merge_options(cfg, dict(list(options.items())[::order]))
    assert cfg.train_dataloader.dataset.prefix == 'images/val'
    assert cfg.val_dataloader.dataset.prefix == 'images/test'


def test_a_list_stays_a_list(cfg):
    cfg.classes = ('a', 'b')
    with pytest.raises(UserError, match=r'Write classes=\[nucleus\]'):
        merge_options(cfg, dict(classes='nucleus'))


@pytest.fixture
def masked(tmp_path):
    """A config with variables of more than one value, and copies of them."""
    (tmp_path / 'masked.py').write_text("""
mask = dict(type='Mask', ratio=0.6, sizes=dict(patch=32))
norm = dict(eps=1)
resize = [dict(type='Resize', scale=64), dict(type='Flip')]
steps = [dict(type='Load'), mask, dict(type='Pack')]
randomness = dict(seed=0)
data_preprocessor = dict(type='Preprocessor', mean=[1, 2, 3])
model = dict(norm=norm, other_norm=dict(norm, affine=False), data_preprocessor=data_preprocessor)
train_dataloader = dict(dataset=dict(pipeline=steps, other=dict(mask, ratio=0.5)))
val_dataloader = dict(dataset=dict(pipeline=(dict(type='Load'), dict(mask, seed=0)), scales=resize))
""")
    return Config.fromfile(tmp_path / 'masked.py')


def test_a_part_of_a_dictionary_reaches_its_copies(masked):
    messages = merge_options(masked, {'mask.ratio': 0.4, 'mask.sizes.patch': 16})
    new = dict(type='Mask', ratio=0.4, sizes=dict(patch=16))
    assert masked.mask == masked.steps[1] == masked.train_dataloader.dataset.pipeline[1] == new
    assert masked.val_dataloader.dataset.pipeline == (dict(type='Load'), dict(new, seed=0))
    assert masked.train_dataloader.dataset.other == dict(type='Mask', ratio=0.5, sizes=dict(patch=32))
    assert ('--cfg-options mask.ratio: train_dataloader.dataset.pipeline.1 was a copy of mask and was changed in the '
            'same way.') in messages
    assert len(messages) == 2 * 3


def test_copies_are_changed_each_by_itself(masked):
    merge_options(masked, {'mask.sizes.patch': 16})
    masked.train_dataloader.dataset.pipeline[1].sizes.patch = 8
    assert masked.mask.sizes.patch == masked.val_dataloader.dataset.pipeline[1].sizes.patch == 16


def test_keys_can_be_added_and_all_can_be_replaced(masked):
    merge_options(masked, {'mask.position': 'central'})
    assert masked.val_dataloader.dataset.pipeline[1] == dict(masked.mask, seed=0)
    assert masked.mask.position == 'central'
    merge_options(masked, {'mask._delete_': True, 'mask.type': 'Square'})
    assert masked.train_dataloader.dataset.pipeline[1] == masked.mask == dict(type='Square')
    assert masked.val_dataloader.dataset.pipeline[1] == dict(type='Square', seed=0)


def test_what_is_said_of_a_copy_itself_comes_first(masked):
    merge_options(masked, {'train_dataloader.dataset.pipeline.1.ratio': 0.5, 'mask.ratio': 0.4, 'mask.type': 'Square'})
    assert masked.train_dataloader.dataset.pipeline[1] == dict(masked.mask, ratio=0.5)
    assert masked.val_dataloader.dataset.pipeline[1] == dict(masked.mask, seed=0)
    assert (masked.mask.type, masked.mask.ratio) == ('Square', 0.4)


def test_a_part_of_a_list_reaches_its_copies(masked):
    merge_options(masked, {'resize.0.scale': 96, 'steps.0.type': 'Read', 'steps.1.ratio': 0.3})
    assert masked.val_dataloader.dataset.scales == [dict(type='Resize', scale=96), dict(type='Flip')]
    assert masked.train_dataloader.dataset.pipeline == masked.steps
    assert [step.get('ratio', step.type) for step in masked.steps] == ['Read', 0.3, 'Pack']
    assert masked.val_dataloader.dataset.pipeline == (dict(type='Load'), dict(masked.mask, seed=0))
    assert masked.mask.ratio == 0.6


def test_a_dictionary_without_a_type_must_be_the_same(masked):
    merge_options(masked, {'norm.eps': 2})
    assert masked.model.norm == dict(eps=2) and masked.model.other_norm == dict(eps=1, affine=False)


def test_sections_of_mmengine_are_no_variables(masked):
    assert merge_options(masked, {'randomness.seed': 7, 'model.norm.eps': 2}) == []
    assert masked.val_dataloader.dataset.pipeline[1].seed == 0 and masked.norm.eps == 1
    merge_options(masked, {'data_preprocessor.mean': [0, 0, 0]})
    assert masked.model.data_preprocessor == dict(type='Preprocessor', mean=[0, 0, 0])


def test_a_dictionary_without_copies_is_reported(masked):
    masked.unused = dict(type='Unused', a=1)
    messages = merge_options(masked, {'unused.a': 2, 'unused.b': 3})
    assert masked.unused == dict(type='Unused', a=2, b=3)
    assert messages[-1].startswith('--cfg-options unused.a unused.b: no section holds a copy of unused')
