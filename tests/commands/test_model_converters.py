"""The converter and the inspector, from the command line to the file."""

import ast
import json
from pathlib import Path

import pytest
import torch

from mmsimmim.checkpoints import convert_state_dict, read_checkpoint, recognise, state_dict_of
from mmsimmim.checkpoints.reading import tensors
from mmsimmim.commands.config.index import NAME
from mmsimmim.commands.convert_checkpoint import main as convert
from mmsimmim.commands.inspect_checkpoint import compare, may_fit
from mmsimmim.commands.inspect_checkpoint import main as inspect
from mmsimmim.models import SwinTransformer, VisionTransformer
from mmsimmim.shipped import configs_folder
from tests.commands.conftest import REPO
from tests.golden import below, load

BUFFERS = ('relative_position_index', 'relative_coords_table', 'attn_mask')


def official(encoder):
    """Parameters as in an official file, in its precision."""
    state = below(load(f'simmim_{encoder}.npz'), 'param/')
    return {name: value if name.endswith(BUFFERS) else value.float() for name, value in state.items()}


@pytest.fixture
def file(tmp_path):
    """A function that saves an official file as the official training does."""

    def save(encoder='swin', state=None, **others):
        path = str(tmp_path / f'official_{encoder}.pth')
        torch.save(dict(model=official(encoder) if state is None else state, epoch=99,
                        optimizer=dict(state={}, param_groups=[]), **others), path)
        return path

    return save


@pytest.mark.parametrize('encoder, to', [
    *(('swin', to) for to in ('mmsimmim', 'mmpretrain', 'mmdet', 'mmseg', 'timm', 'backbone')),
    *(('swinv2', to) for to in ('mmsimmim', 'mmpretrain', 'timm', 'hf', 'backbone')),
    *(('vit', to) for to in ('mmsimmim', 'mmpretrain', 'mmseg', 'timm', 'hf', 'backbone'))])
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_there_and_back_is_bit_exact(file, tmp_path, capsys, encoder, to, suffix):
    there, back = str(tmp_path / f'there{suffix}'), str(tmp_path / 'back.pth')
    convert([file(encoder), there, '--to', to])
    expected = convert_state_dict(official(encoder), to=to)
    written = state_dict_of(read_checkpoint(there))
    assert written.keys() == expected.keys() and all(torch.equal(written[name], expected[name]) for name in expected)
    report = capsys.readouterr().out
    assert f'Converted to {to}: {len(expected)} tensors' in report and f'Written to {there}' in report

    convert([there, back, '--to', 'official'])
    again, before = torch.load(back, weights_only=True)['model'], official(encoder)
    bare = {name.removeprefix('encoder.'): value for name, value in before.items()}
    assert again and all(torch.equal(value, before[name] if name in before else bare[name])
                         for name, value in again.items() if name in before or name in bare)
    assert sum(name in before or name in bare for name in again) > 0.75 * len(bare)


def test_the_report_names_what_is_left_out(file, tmp_path, capsys):
    convert([file(), str(tmp_path / 'x.pth'), '--to', 'timm'])
    report = capsys.readouterr().out
    assert 'holds official SimMIM pre-training of Swin (own size, 4 channels, blocks 2-2-2-2, heads 1-2-2-4' in report
    buffers = [name for name in official('swin') if name.endswith(BUFFERS)]
    assert f'buffers and other parts: {len(buffers)}: {", ".join(buffers)}' in report
    assert 'without a place in timm: 3: backbone.mask_token, neck.decoder.0.weight, neck.decoder.0.bias' in report


def test_entries_that_are_no_tensors_are_named(tmp_path, capsys):
    torch.save(dict(official('swin'), epoch=3, config=dict(a=1)), tmp_path / 'x.pth')
    convert([str(tmp_path / 'x.pth'), str(tmp_path / 'y.pth'), '--to', 'timm'])
    assert 'not tensors: 2: epoch, config' in capsys.readouterr().out


@pytest.mark.parametrize('encoder, lost, names', [
    ('swin', ['layers.2.blocks.1.norm1.bias'], ['stages.2.blocks.1.norm1.bias']),
    ('swinv2', ['layers.0.blocks.0.attn.logit_scale'], ['stages.0.blocks.0.attn.w_msa.logit_scale']),
    ('vit', ['blocks.1.norm2.bias', 'blocks.2.norm2.weight'], ['layers.1.ln2.bias', 'layers.2.ln2.weight'])])
def test_a_file_that_is_not_whole_is_said(file, tmp_path, capsys, encoder, lost, names):
    convert([file(encoder), str(tmp_path / 'whole.pth'), '--to', 'official'])
    assert 'WARNING' not in capsys.readouterr().out
    state = official(encoder)
    for name in lost:
        del state[f'encoder.{name}']
    convert([file(encoder, state), str(tmp_path / 'x.pth'), '--to', 'official'])
    said, = (line for line in capsys.readouterr().out.splitlines() if line.startswith('WARNING'))
    assert said.endswith(f': {len(names)}: ' + ', '.join(f'backbone.{name}' for name in names))


def test_the_home_folder_is_found(file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('HOME', str(tmp_path))
    path = Path(file())
    convert([f'~/{path.name}', '~/out.pth', '--to', 'timm'])
    assert (tmp_path / 'out.pth').exists() and f'Written to {tmp_path / "out.pth"}' in capsys.readouterr().out
    assert 'exists already' in message_of(convert, path, '~/out.pth', '--to', 'timm')


@pytest.mark.parametrize('to, key', [('official', 'model'), ('mmsimmim', 'state_dict'), ('timm', None), ('hf', None)])
def test_parameters_are_where_the_code_base_looks(file, tmp_path, to, key):
    convert([file('swinv2'), str(tmp_path / 'x.pth'), '--to', to])
    content = torch.load(tmp_path / 'x.pth', weights_only=True)
    recognise(content[key] if key else content)
    assert key is None or content['meta']['converted_to'] == to


def test_averages_on_demand(file, tmp_path):
    halves = {f'module.{name}': value / 2 for name, value in official('swin').items() if value.is_floating_point()}
    path = file(model_ema=halves)
    for name, options, factor in (('plain', [], 1), ('average', ['--ema'], 0.5)):
        convert([path, str(tmp_path / f'{name}.pth'), '--to', 'official', *options])
        written = torch.load(tmp_path / f'{name}.pth', weights_only=True)['model']
        assert torch.equal(written['encoder.norm.weight'], factor * official('swin')['encoder.norm.weight'])


def message_of(tool, *arguments):
    with pytest.raises(SystemExit) as error:
        tool([str(argument) for argument in arguments])
    message = error.value.code
    assert isinstance(message, str), 'the exit status is 1 where the code is a message'
    assert message.startswith('error: ') and '\n' not in message
    return message


BAD_FILES = {
    'cut': (lambda path: path.write_bytes(path.read_bytes()[:-100]), 'is cut off'),
    'page': (lambda path: path.write_text('<html>404</html>'), 'is a web page'),
    'lfs': (lambda path: path.write_text('version https://git-lfs.github.com/spec/v1\n'), 'Git LFS pointer'),
    'empty': (lambda path: path.write_bytes(b''), 'is empty'),
    'missing': (Path.unlink, 'does not exist'),
    'optimizer': (lambda path: torch.save(dict(optimizer=dict(state={}, param_groups=[])), path),
                  'state of an optimizer'),
    'resnet': (lambda path: torch.save({'layer1.0.conv1.weight': torch.zeros(1)}, path), 'a ResNet'),
    'code': (lambda path: torch.save(dict(model=Path('x')), path), 'which may run code; it was not run'),
}


@pytest.mark.parametrize('kind', BAD_FILES)
def test_bad_files_end_with_one_sentence(file, tmp_path, kind):
    spoil, message = BAD_FILES[kind]
    path = Path(file())
    spoil(path)
    said = message_of(convert, path, tmp_path / 'x.pth', '--to', 'mmsimmim')
    assert message in said and path.name in said
    assert not (tmp_path / 'x.pth').exists()
    assert message in message_of(inspect, path)


def test_an_existing_file_is_kept_unless_forced(file, tmp_path):
    target = tmp_path / 'x.pth'
    target.write_text('mine')
    assert 'exists already' in message_of(convert, file(), target, '--to', 'mmsimmim')
    assert target.read_text() == 'mine'
    convert([file(), str(target), '--to', 'mmsimmim', '--force'])
    assert 'backbone.mask_token' in torch.load(target, weights_only=True)['state_dict']


def test_what_a_code_base_has_no_place_for_is_said(file, tmp_path):
    said = message_of(convert, file('swinv2'), tmp_path / 'x.pth', '--to', 'mmdet')
    assert 'mmdet has no such encoder' in said and 'mmsimmim.SwinTransformerV2' in said
    assert not (tmp_path / 'x.pth').exists()


@pytest.fixture
def configs(tmp_path):
    """A folder of configs: of the golden Swin, of others, and one that cannot be read."""
    backbone = "dict(type='mmsimmim.SwinTransformer', arch=dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads={}), {})"
    heads = [1, 2, 2, 4]
    texts = {
        'exact.py': backbone.format(heads, 'img_size=96, window_size=6'),
        'det/resized.py': backbone.format(heads, "window_size=7, init_cfg=dict(type='Pretrained', checkpoint='x')"),
        'heads.py': backbone.format([1, 1, 2, 4], 'window_size=6'),
        'other.py': "dict(type='ResNet', depth=50)",
        '_base_/part.py': backbone.format(heads, 'img_size=96, window_size=6'),
    }
    folder = tmp_path / 'configs'
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'model = dict(backbone={text})')
    (folder / 'broken.py').write_text("_base_ = ['nowhere.py']")
    return folder


def test_inspecting_says_what_a_file_is_and_which_configs_it_fits(file, configs, capsys):
    inspect([file(), '--configs', str(configs)])
    said = capsys.readouterr().out
    facts = dict(line.strip().split(maxsplit=1) for line in said.splitlines() if line.startswith('  ') and '.py' not in
                 line)
    assert 'official SimMIM pre-training of Swin' in said.splitlines()[0]
    assert facts['encoder'] == 'Swin Transformer, of its own size' and facts['windows'] == '6-6-6-3'
    assert facts['resolution'] == '96 px' and facts['trained'] == 'epoch 99' and facts['patch'] == '4 px'
    assert 'SimMIM decoder  yes' in said and 'classifier      no' in said and 'heads           1-2-2-4' in said
    sections = said.split('Fits ')[1:]
    assert 'exact.py' in sections[0] and 'resized' not in sections[0]
    assert 'resized.py' in sections[1].split('Could')[0] and 'broken.py (' in sections[1].split('Could')[1]
    assert not any(name in said for name in ('heads.py', 'other.py', 'part.py'))


@pytest.mark.parametrize('build, config', [
    (lambda: SwinTransformer('base', img_size=192, window_size=6), 'pretrain/simmim_swin-base-w6_16xb128-amp-coslr'),
    (lambda: VisionTransformer('base'), 'pretrain/simmim_vit-base-p16')])
def test_published_files_fit_the_configs_of_the_project(file, capsys, monkeypatch, build, config):
    monkeypatch.setattr(tensors, 'MAX_EXPANSION', 1 << 40)  # a network of its full size, of one value
    with torch.device('meta'):
        shapes = build().state_dict()
    state = {name: torch.zeros(1).expand(value.shape) for name, value in shapes.items()}
    inspect([file(state=convert_state_dict(state, to='official')), '--configs', str(REPO / 'configs' / 'pretrain')])
    said = capsys.readouterr().out
    assert config in said.split('Fits exactly')[1].split('Fits with')[0] and ', base\n' in said
    assert 'swin-large' not in said and 'swinv2' not in said


@pytest.mark.parametrize('build', [lambda: SwinTransformer('tiny'), lambda: VisionTransformer('base')])
def test_encoders_that_are_not_built_would_not_fit(build):
    with torch.device('meta'):
        shapes = build().state_dict()
    contents = recognise(shapes)
    shipped = [ast.literal_eval(text) for text in json.loads((configs_folder() / NAME).read_text())['encoders']]
    left_out = [settings for settings in shipped if not may_fit(settings, contents)]
    built = [settings for settings in shipped if may_fit(settings, contents)]
    assert {compare(settings, shapes) for settings in left_out[::3]} == {None}
    assert left_out and {compare(settings, shapes) for settings in built} - {None}
    assert may_fit(dict(type='mmsimmim.Unknown', arch='tiny'), contents) and may_fit(dict(type='ours'), contents)
