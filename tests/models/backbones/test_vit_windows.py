"""ViT in windows, for detection: against loops over windows and the plain ViT, and what it keeps in memory."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.analysis.memory.live_memory import LiveMemory
from mmsimmim.layers import TransformerBlock, global_attention, resize_token_bias_table
from mmsimmim.models import VisionTransformer
from tests.golden import relative_error
from tests.recomputing import WITH_CP

TINY = dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64)
POSITIONS = dict(
    shared=dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True),
    per_block=dict(use_rel_pos_bias=True, use_shared_rel_pos_bias=False),
    none=dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=False))
TABLE = 'relative_position_bias_table'


def build(img_size=64, **kwargs):
    """64 pixels are 4 x 4 tokens."""
    kwargs = dict(arch=TINY, img_size=img_size, drop_path_rate=0., with_cls_token=False) | kwargs
    return VisionTransformer(**kwargs)


def randomised(model, seed=0):
    """In float64, every parameter drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2
    return model.double().eval()


def alike(model, **kwargs):
    other = build(**kwargs).double().eval()
    other.load_state_dict(model.state_dict(), strict=True)
    return other


def gradients(model, images):
    model.zero_grad()
    model(images)[0].square().sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_same(model, other, images):
    """Same maps and same gradients of all parameters."""
    assert relative_error(model(images)[0], other(images)[0]) < 1e-12
    expected = gradients(other, images)
    for name, gradient in gradients(model, images).items():
        assert relative_error(gradient, expected[name]) < 1e-10, name


@pytest.mark.parametrize('class_token', [False, True])
@pytest.mark.parametrize('position', POSITIONS.values(), ids=POSITIONS)
@pytest.mark.parametrize('size', [(64, 64), (80, 112)])
def test_with_all_blocks_global_it_is_the_plain_transformer(position, class_token, size):
    plain = randomised(build(with_cls_token=class_token, **position))
    windowed = alike(plain, window_size=2, global_attn_indexes=(0, 1, -1), with_cls_token=class_token, **position)
    assert_same(windowed, plain, torch.randn(2, 3, *size, dtype=torch.float64))


@pytest.mark.parametrize('position', POSITIONS.values(), ids=POSITIONS)
def test_with_one_window_for_the_whole_map_it_is_the_plain_transformer(position):
    plain = randomised(build(**position))
    windowed = alike(plain, window_size=4, global_attn_indexes=(1, ), **position)
    assert_same(windowed, plain, torch.randn(2, 3, 64, 64, dtype=torch.float64))


def attend_window_by_window(block, x, grid, window, bias):
    """What the block's attention should give, for tokens (rows, columns, C)."""
    rows, cols = (-(-side // window) * window for side in grid)
    padded = torch.zeros(rows, cols, x.shape[2], dtype=x.dtype)
    padded[:grid[0], :grid[1]] = x
    out = torch.zeros_like(padded)
    for top in range(0, rows, window):
        for left in range(0, cols, window):
            part = (slice(top, top + window), slice(left, left + window))
            tokens = padded[part].reshape(1, window**2, -1)
            out[part] = block.attn(tokens, (window, window), bias).reshape(window, window, -1)
    return out[:grid[0], :grid[1]]


@pytest.mark.parametrize('own_bias', [True, False])
@pytest.mark.parametrize('grid', [(6, 6), (7, 5), (2, 9)])
def test_a_block_equals_a_loop_over_windows(grid, own_bias):
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, (3, 3), 16, layer_scale_init_value=0.1, drop_rate=0., attn_drop_rate=0.,
                             drop_path_rate=0., bias='qv_bias', norm_eps=1e-6, own_bias=own_bias,
                             bias_resize='geometric', window_size=3).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    bias = None if own_bias else torch.randn(2, 10, 10, dtype=torch.float64)
    x = torch.randn(2, grid[0] * grid[1], 8, dtype=torch.float64)
    out = block(x, grid, bias)
    for image, result in zip(x, out):
        attended = attend_window_by_window(block, block.ln1(image).unflatten(0, grid), grid, 3, bias).flatten(0, 1)
        expected = image + block.gamma_1 * attended
        expected = expected + block.gamma_2 * block.ffn(block.ln2(expected))
        assert relative_error(result, expected) < 1e-12


def test_windows_take_the_table_as_it_is_and_global_blocks_a_resized_one():
    backbone = randomised(build(window_size=4, global_attn_indexes=(2, ), **POSITIONS['shared']))
    biases = backbone._shared_biases((5, 7))
    table = backbone.rel_pos_bias.relative_position_bias_table
    assert torch.equal(biases[4], backbone.rel_pos_bias.position_bias((4, 4)))
    assert set(biases[4].unique().tolist()) == set(table.unique().tolist())
    other = build(img_size=(80, 112)).double()
    other.rel_pos_bias.load_state_dict({TABLE: resize_token_bias_table(table.detach(), (5, 7), source_grid=(4, 4))})
    assert torch.equal(biases[0], other.rel_pos_bias.position_bias((5, 7)))


@pytest.mark.parametrize('position', [POSITIONS['shared'], POSITIONS['per_block']], ids=['shared', 'per_block'])
def test_takes_a_pretraining_checkpoint(position):
    """The class token is left out, the shared table goes to every block, and nothing else is missing."""
    pretrained = randomised(VisionTransformer(TINY, 64))
    pretrained.add_mask_token()
    backbone = build(window_size=4, global_attn_indexes=(2, ), final_norm=False, **position).double()
    state = {f'backbone.{name}': value for name, value in pretrained.state_dict().items()}
    report = backbone.compare(state)
    assert not report.missing and not report.resized and not report.misshapen
    backbone.load_state_dict(state, strict=False)
    table = pretrained.rel_pos_bias.relative_position_bias_table
    tables = [value for name, value in backbone.state_dict().items() if name.endswith(TABLE)]
    assert len(tables) == (3 if position['use_rel_pos_bias'] else 1)
    assert all(torch.equal(value, table) for value in tables)


@pytest.mark.parametrize('class_token', [False, True])
@pytest.mark.parametrize('position', [POSITIONS['shared'], POSITIONS['per_block']], ids=['shared', 'per_block'])
@pytest.mark.parametrize('with_cp', WITH_CP)
def test_attention_in_chunks_is_the_same(position, class_token, with_cp, monkeypatch):
    model = randomised(build(with_cls_token=class_token, with_cp=with_cp, **position))
    images = torch.randn(2, 3, 80, 112, dtype=torch.float64)
    whole, expected = model(images)[0], gradients(model, images)
    monkeypatch.setattr(global_attention, 'MAX_WHOLE_TOKENS', 0)
    monkeypatch.setattr(global_attention, 'MAX_PIECE', 2 * 4 * 35 * 7 * 2)  # two of the five rows
    pieces = model.layers[0].attn if position['use_rel_pos_bias'] else model.rel_pos_bias
    assert list(pieces.position_bias_or_chunks((5, 7)).chunks(2)) == [(0, 2), (2, 4), (4, 5)]
    assert relative_error(model(images)[0], whole) < 1e-12
    with torch.no_grad():
        assert relative_error(model(images)[0], whole) < 1e-12
    for name, gradient in gradients(model, images).items():
        assert relative_error(gradient, expected[name]) < 1e-10, name


class LargestTensor(TorchDispatchMode):
    """Keeps the number of elements of the largest tensor that any operator makes."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [x.untyped_storage().nbytes() // x.element_size() for x in tree_leaves(out) if torch.is_tensor(x)]
        self.elements = max([self.elements, *sizes])
        return out


@pytest.mark.parametrize('position', [POSITIONS['shared'], POSITIONS['per_block']], ids=['shared', 'per_block'])
def test_the_bias_of_a_large_image_is_never_whole_and_never_per_image(position, monkeypatch):
    """Forwards and backwards, gradients of the bias included: 1200 tokens, 2 heads, 3 images."""
    monkeypatch.setattr(global_attention, 'MAX_PIECE', 2**18)
    arch = dict(embed_dims=4, num_layers=2, num_heads=2, feedforward_channels=8)
    model = build(arch=arch, img_size=8, patch_size=2, window_size=4, global_attn_indexes=(0, 1), **position)
    with LargestTensor() as largest:
        model(torch.randn(3, 3, 80, 60))[0].sum().backward()
    one_row = 3 * 2 * 1200 * 30  # of queries, with all keys
    assert one_row <= largest.elements <= 2**18 < 2 * 1200**2


def test_recomputed_blocks_keep_nothing_of_their_pieces(monkeypatch):
    """After the forward pass there are the inputs of the blocks, as without pieces, and no keys or values."""
    monkeypatch.setattr(global_attention, 'MAX_PIECE', 2 * 4 * 35 * 7 * 2)
    model = build(with_cp=True, **POSITIONS['per_block'])
    images = torch.randn(2, 3, 80, 112)

    def kept():
        with LiveMemory() as memory:
            maps = model(images)
            return memory.live, len(maps)

    whole, _ = kept()
    monkeypatch.setattr(global_attention, 'MAX_WHOLE_TOKENS', 0)
    keys_and_values = 4 * 2 * 35 * 2 * 16
    assert kept()[0] < whole + keys_and_values


@pytest.mark.parametrize('kwargs, message', [
    (dict(window_size=4, with_cls_token=True), 'window_size needs with_cls_token=False'),
    (dict(window_size=-1), 'window_size must be at least 1'),
    (dict(global_attn_indexes=(1, )), 'window_size is 0'),
    (dict(window_size=4, global_attn_indexes=(3, )), 'must name blocks between 0 and 2')])
def test_windows_that_make_no_sense_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)
