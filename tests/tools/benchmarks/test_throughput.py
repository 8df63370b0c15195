"""The harness of throughput at toy size: what it prints and writes is what was measured."""

import json
import re
import sys
from types import SimpleNamespace

import pytest
import torch
import torch._inductor.config
from torch.autograd import DeviceType

from mmsimmim.analysis.flops import count
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.tools.benchmarks.benchmark_scripts import load_script

SWIN = dict(embed_dims=8, depths=[1, 2, 1, 1], num_heads=[1, 1, 2, 2])
VIT = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
ROW = {'model', 'arch', 'batch_size', 'img_size', 'dtype', 'device', 'images_per_second', 'step_ms', 'quartiles_ms',
       'parts_ms', 'peak_gib', 'share_of_peak', 'cold_start_s', 'times_mmpretrain', 'times_float32'}
ADAPTER = """
import torch
from torch import nn

class PlainLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images, mask):
        assert mask.dtype == torch.bool and mask.shape == (2, 16, 16)
        return (self.scale * images).abs().mean()

def build(arch, img_size):
    assert (arch, img_size) == ('toy-swin', 64)
    return PlainLoss()

def broken(arch, img_size):
    return nn.Linear(2, 2)
"""


@pytest.fixture(scope='module')
def script():
    return load_script('step.throughput')


@pytest.fixture(scope='module')
def contenders():
    return load_script('step.contenders')


@pytest.fixture(scope='module')
def measuring():
    return load_script('step.throughput_measure')


@pytest.fixture(autouse=True)
def toys(contenders, monkeypatch, tmp_path):
    """Architectures of a second, a small matrix product, and a module with other contenders."""
    swin = contenders.Architecture('swin', SWIN, 64, window=2)
    monkeypatch.setitem(contenders.ARCHITECTURES, 'toy-swin', swin)
    monkeypatch.setitem(contenders.ARCHITECTURES, 'toy-vit', contenders.Architecture('vit', VIT, 64, patch=16))
    monkeypatch.setattr(load_script('matrix_product'), 'SIDES', dict(cpu=(64, 256), cuda=(64, )))
    (tmp_path / 'toy_adapter.py').write_text(ADAPTER)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop('toy_adapter', None)
    with torch._inductor.config.patch(force_disable_caches=False):
        yield


@pytest.fixture
def run(script, tmp_path, capsys):
    """A function that runs the tool and returns the figures that it writes and the text that it prints."""

    def run(*arguments):
        path = tmp_path / 'figures.json'
        script.main(['--device', 'cpu', '--batch-size', '2', '--steps', '3', '--warmup', '1', '--json', str(path),
                     *arguments])
        return json.loads(path.read_text()), capsys.readouterr().out

    return run


def test_figures(run):
    result, text = run('--arch', 'toy-swin', '--dtype', 'float32', 'bfloat16', '--contenders', 'mmpretrain', 'ours')
    assert [(row['model'], row['dtype']) for row in result['rows']] == [
        (model, dtype) for dtype in ('float32', 'bfloat16') for model in ('mmpretrain', 'ours')]
    assert {'args', 'machine', 'versions', 'date'} < result.keys() and result['versions']['torch'] == torch.__version__
    for row in result['rows']:
        assert row.keys() == ROW and row['peak_gib'] is None and row['cold_start_s'] is None
        low, high = row['quartiles_ms']
        assert low <= row['step_ms'] <= high
        assert row['images_per_second'] == pytest.approx(2 / row['step_ms'] * 1e3)
        flops = row['images_per_second'] * result['gflop_per_image']['toy-swin'] * 1e9
        assert row['share_of_peak'] <= flops / result['peak_tflops'][row['dtype']] / 1e12 * 1.0001
        reference = next(other for other in result['rows'] if other['dtype'] == row['dtype'])
        assert row['times_mmpretrain'] == pytest.approx(reference['step_ms'] / row['step_ms'])
        float32 = next(other for other in result['rows'] if other['model'] == row['model'])
        assert row['times_float32'] == pytest.approx(float32['step_ms'] / row['step_ms'])
        assert re.search(rf"\| {row['model']} \| {row['images_per_second']:.1f} \|", text)


def test_models_and_precisions_take_turns_without_code_from_the_disk(run, measuring, monkeypatch):
    turns, take_turns = [], measuring.take_turns
    monkeypatch.setattr(measuring, 'take_turns', lambda programs, rounds: turns.append(len(programs)) or
                        take_turns(programs, rounds))
    run('--arch', 'toy-swin', '--dtype', 'float32', 'bfloat16', '--contenders', 'mmpretrain', 'ours')
    assert turns == [2 + 4]  # a matrix product in each precision, each model in each
    assert torch._inductor.config.force_disable_caches


def test_every_other_round_is_backwards():
    order = []
    load_script('stopwatch').take_turns([lambda: order.append('a'), lambda: order.append('b')], rounds=3)
    assert ''.join(order) == 'abbaab'


def test_parts_make_the_step(script):
    model = torch.nn.Linear(4, 4)
    step = load_script('step.training_step').TrainingStep(model, lambda x: model(x).sum(), 'cpu', torch.float32)
    before = model.weight.clone()
    step.warm_up((torch.ones(1, 4), ), 1)
    for _ in range(3):
        step.timed((torch.ones(1, 4), ))
    assert not torch.equal(model.weight, before) and model.weight.grad is None and step.cold_start > 0
    row = load_script('step.throughput_report').make_row(dict(batch_size=1), step, None, None, 1e6, 1.0, True)
    totals = sorted(sum(parts.values()) for parts in step.parts)
    assert len(totals) == 3 and row['step_ms'] == pytest.approx(1e3 * totals[1])
    assert row['share_of_peak'] == pytest.approx(1e6 / totals[1] / 1e12)
    assert row['times_mmpretrain'] is row['times_float32'] is None
    for name, part in row['parts_ms'].items():
        assert part == pytest.approx(1e3 * sorted(parts[name] for parts in step.parts)[1])


def test_memory_counts_what_lasts(script):
    model = torch.nn.Linear(8, 8)
    step = load_script('step.training_step').TrainingStep(model, lambda x: model(x).sum(), 'cpu', torch.float32)
    assert step.lasting_bytes() == 72 * 4
    step.warm_up((torch.ones(1, 8), ), 1)
    assert step.lasting_bytes() == 3 * 72 * 4 + 2 * 4  # and AdamW's count of steps, of each of two parameters


def test_the_count_is_that_of_get_flops(contenders, measuring):
    arch = contenders.ARCHITECTURES['toy-vit']
    model = contenders.build_ours('toy-vit', arch).model
    assert measuring.training_flops('toy-vit', arch) == 6 * count(model, (64, 64)).flops > 0


def test_compiled_contenders_and_a_profile(run):
    result, text = run('--arch', 'toy-vit', '--contenders', 'ours', 'ours-compiled', '--compile-backend', 'aot_eager',
                       '--profile')
    eager, compiled = result['rows']
    assert eager['cold_start_s'] is None and compiled['cold_start_s'] > compiled['step_ms'] / 1e3
    for row in result['rows']:
        assert sum(row['profile']['kinds'].values()) == pytest.approx(1)
    modules = eager['profile']['modules']
    assert modules.keys() == {'backbone.patch_embed', 'backbone.layers.0', 'backbone.layers.1', 'backbone.ln1', 'neck',
                              'head.loss_module'}
    assert all(share > 0 for share in modules.values())
    assert compiled['profile']['modules'] == {} and 'modules of ours, forward' in text


def test_contenders_of_others(run):
    result, text = run('--arch', 'toy-swin', '--contender', 'plain=toy_adapter:build', '--contender',
                       'broken=toy_adapter:broken', '--contenders', 'ours', 'plain', 'plain-compiled', 'broken',
                       '--compile-backend', 'eager')
    assert [row['model'] for row in result['rows']] == ['ours', 'plain', 'plain-compiled']
    left_out, = result['left_out']
    assert left_out['model'] == 'broken' and 'TypeError' in left_out['reason'] and left_out['reason'] in text


def test_a_failure_of_ours_ends_in_an_error_after_the_table(run, capsys):
    with pytest.raises(SystemExit, match='error: ours-compiled, toy-vit: .*no_such_backend'):
        run('--arch', 'toy-vit', '--contenders', 'ours', 'ours-compiled', '--compile-backend', 'no_such_backend')
    out = capsys.readouterr().out
    assert '| ours | ' in out and '| ours-compiled | none: ' in out


def test_sequential_attention_is_on_request(contenders):
    arch = contenders.architecture('toy-swin', 64, 4)
    _, builders = contenders.choose(None, [])
    for name, with_cp in (('ours-sequential', False), ('ours-sequential-recomputed', True)):
        stages = contenders.build(name, 'toy-swin', arch, builders, 'eager').model.backbone.stages
        assert [stage.blocks[0].attn.sequential for stage in stages] == [True, True, False, False]
        assert [(stage.with_cp, stage.blocks[0].attn.window_size) for stage in stages] == [
            (with_cp, window) for window in (4, 4, 4, 2)]
        with pytest.raises(contenders.NotAvailable, match='toy-vit has no stages'):
            contenders.build(name, 'toy-vit', contenders.ARCHITECTURES['toy-vit'], builders, 'eager')


def test_what_does_not_exist_is_said(run):
    result, text = run('--arch', 'toy-vit', '--contenders', 'ours', 'mmpretrain')
    assert [row['model'] for row in result['rows']] == ['ours'] and result['rows'][0]['times_mmpretrain'] is None
    assert '| mmpretrain | none: mmpretrain has no SimMIM for toy-vit |' in text


def test_hugging_face(run):
    pytest.importorskip('transformers')
    result, _ = run('--arch', 'toy-swin', '--contenders', 'hugging-face')
    assert result['rows'] and not result['left_out']


@pytest.mark.parametrize('arguments, message', [
    (['--contenders', 'ours', 'nobody'], "'nobody' is none of ours, ours-compiled, mmpretrain"),
    (['--contender', 'plain'], 'not of the form NAME=module:callable'),
    (['--contender', 'plain=no_such_module:build'], 'no_such_module'),
    (['--contender', 'plain=toy_adapter:nothing'], 'nothing'),
    (['--img-size', '70', '--arch', 'toy-swin'], 'multiples of 32'),
    (['--window', '3', '--arch', 'toy-vit'], '--window 3: toy-vit takes no such windows'),
    (['--window', '0', '--arch', 'toy-swin'], '--window 0: toy-swin takes no such windows'),
    (['--device', 'mps'], "'mps' is none that can be timed; give cpu, cuda or cuda:N"),
    (['--device', 'cuda:99'], '--device cuda:99: PyTorch'),
])
def test_mistakes_are_explained(run, arguments, message):
    with pytest.raises(SystemExit, match='error: ') as error:
        run(*arguments)
    assert message in str(error.value)


def test_devices(script, monkeypatch):
    choose = script.choose_device
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    for device in ('cpu', 'cuda', 'cuda:1'):
        assert choose(device) == device
    assert choose(None) == 'cuda'
    for device in ('cuda:2', 'cuda:', 'cuda:-1', 'cpu:0', 'gpu', 'meta'):
        with pytest.raises(UserError, match='--device'):
            choose(device)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UserError, match='finds 0 GPUs of CUDA here; give cpu.$'):
        choose('cuda')
    assert choose(None) == 'cpu'


def test_parts_have_the_time_of_both_passes_and_ranges_are_no_kernels(script):
    """On a GPU ranges come back as kernels of the operation that opened them, and as events of the device."""
    module = load_script('step.profile_step')

    def event(name, kernels=(), children=(), device=DeviceType.CPU, number=-1, cpu_time=0.0):
        made = SimpleNamespace(name=name, kernels=[SimpleNamespace(name=k, duration=d) for k, d in kernels],
                               cpu_children=children, cpu_parent=None, device_type=device, sequence_nr=number,
                               cpu_time_total=cpu_time)
        for child in children:
            child.cpu_parent = made
        return made

    product = event('aten::mm', [('gemm', 3.0)], number=7, cpu_time=0.5)
    layer = event('layers.0', [('layers.0', 10.0)], [product], cpu_time=0.75)
    optimizer = event('Optimizer.step#AdamW.step', [('Optimizer.step#AdamW.step', 9.0), ('multi_tensor_apply', 2.0)])
    backward = event(f'{module.BACKWARD}: MmBackward0', [('gemm', 5.0)], number=7, cpu_time=1.5)
    other = event(f'{module.BACKWARD}: AddBackward0', [('add', 1.0)], number=8, cpu_time=9.0)
    events = [layer, product, optimizer, backward, other, event('layers.0', device=DeviceType.CUDA)]
    assert list(module.kernels(events, ['layers.0'], True)) == [
        ('gemm', 3.0), ('multi_tensor_apply', 2.0), ('gemm', 5.0), ('add', 1.0)]
    assert module.by_module(events, ['layers.0'], True) == {'layers.0': 3.0 + 5.0}
    assert module.by_module(events, ['layers.0'], False) == {'layers.0': 0.75 + 1.5}


def test_all_see_the_same_problem(contenders, measuring):
    """Ours and mmpretrain's give the same loss for the same weights; masks have the ratio of the paper."""
    arch = contenders.ARCHITECTURES['toy-swin']
    ours, theirs = (contenders.build(name, 'toy-swin', arch, contenders.BUILDERS, 'eager')
                    for name in ('ours', 'mmpretrain'))
    missing = theirs.model.load_state_dict(ours.model.state_dict(), strict=False)
    assert not missing.unexpected_keys and all('index' in key for key in missing.missing_keys)
    images, mask = measuring.make_batch(arch, 2, 'cpu')
    assert mask.float().mean() == 0.75  # 3 of 4 patches: 60 % of them, rounded up
    torch.testing.assert_close(ours.loss(images, mask), theirs.loss(images, mask))


@pytest.mark.parametrize('name', ['swin-tiny', 'swin-base', 'swin-large', 'swinv2-base', 'vit-base'])
def test_sizes_are_those_of_the_configs(contenders, name, monkeypatch):
    from mmengine.config import Config
    arch = contenders.ARCHITECTURES[name]
    window = f'w{arch.window}' if arch.window else 'p16'
    cfg = Config.fromfile(f'configs/_base_/models/simmim_{name}-{window}.py')
    with torch.device('meta'):
        expected = MODELS.build({**cfg.model, 'target_generator': None})
        model = contenders.build_ours(name, arch).model
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in expected.state_dict().items()}
