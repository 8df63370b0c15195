"""What a training step on a CPU keeps in place of a GPU."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses import FakeTensorMode
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from mmsimmim.analysis.memory.cuda_activations import cuda_activations
from mmsimmim.analysis.memory.live_memory import LiveMemory
from mmsimmim.layers import attention, tensor_cache, windows
from mmsimmim.models import SwinTransformer, SwinTransformerV2

BATCH, HEADS, LENGTH, CHANNELS = 2, 3, 49, 8
MASKS = dict(no=None, one=(1, HEADS, LENGTH, LENGTH), flat=(LENGTH, LENGTH), aligned=(1, HEADS, LENGTH, 48))


def inputs(mask, dtype=torch.float32):
    """Query, key and value, and a bias, that all want gradients."""
    keys = LENGTH if mask is None else mask[-1]
    shapes = [(BATCH, HEADS, length, CHANNELS) for length in (LENGTH, keys, keys)]
    torch.manual_seed(0)
    tensors = [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]
    return [*tensors, None if mask is None else torch.randn(mask, dtype=dtype, requires_grad=True)]


@pytest.mark.parametrize('mask', MASKS.values(), ids=MASKS)
@pytest.mark.parametrize('scale', [None, 0.3])
def test_attention_is_the_same(mask, scale):
    results = []
    for fused in (False, True):
        tensors = inputs(mask, torch.float64)
        with LiveMemory() as memory:
            if fused:
                with cuda_activations(memory):
                    out = F.scaled_dot_product_attention(*tensors, scale=scale)
                    (out**2).sum().backward()
            else:
                out = F.scaled_dot_product_attention(*tensors, scale=scale)
                (out**2).sum().backward()
        results.append([out, *(tensor.grad for tensor in tensors if tensor is not None)])
    for expected, found in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def kept(mask, fused=True):
    tensors = inputs(mask)
    with LiveMemory() as memory:
        if not fused:
            out = F.scaled_dot_product_attention(*tensors)
            return out, memory.live
        with cuda_activations(memory):
            out = F.scaled_dot_product_attention(*tensors)
            return out, memory.live


OUT = 4 * BATCH * HEADS * LENGTH * CHANNELS
LOGSUMEXP = 4 * BATCH * HEADS * 64


@pytest.mark.parametrize('name, bias', [('no', 0), ('one', 4 * HEADS * LENGTH * 56), ('flat', 4 * LENGTH * 56),
                                        ('aligned', 0)])
def test_what_attention_keeps(name, bias):
    """The output, a number per query (32 at a time), and a copy of a bias whose rows are no multiple of 8."""
    out, live = kept(MASKS[name])
    assert live == OUT + LOGSUMEXP + bias
    assert out.requires_grad


def test_what_a_cpu_keeps():
    """All weights of the attention: what this is for."""
    assert kept(MASKS['one'], fused=False)[1] > OUT + 4 * BATCH * HEADS * LENGTH * LENGTH


def test_gradient_of_a_bias_is_made_for_all_images():
    tensors = inputs(MASKS['one'])
    for tensor in tensors:
        tensor.grad = torch.zeros_like(tensor)
    with LiveMemory() as memory, cuda_activations(memory):
        F.scaled_dot_product_attention(*tensors).sum().backward()
    assert memory.peak > 4 * BATCH * HEADS * LENGTH * 64


def test_recomputation():
    """What a checkpoint recomputes in the backward pass is attention of the same kind."""
    results = []
    for recompute in (False, True):
        tensors = inputs(MASKS['one'])
        with LiveMemory() as memory, cuda_activations(memory):
            def attend(*tensors):
                return F.scaled_dot_product_attention(*tensors).exp()
            out = checkpoint(attend, *tensors, use_reentrant=False) if recompute else attend(*tensors)
            results.append(memory.live)
            out.sum().backward()
        results.append([tensor.grad for tensor in tensors])
    assert results[2] == OUT < results[0]
    torch.testing.assert_close(results[3], results[1])


def test_autocast():
    """Attention computes in bfloat16, and the bias is cast, too."""
    tensors = inputs(MASKS['one'])
    with torch.autocast('cpu', torch.bfloat16), LiveMemory() as memory, cuda_activations(memory):
        out = F.scaled_dot_product_attention(*tensors)
        assert out.dtype == torch.bfloat16
        casts = 4 * OUT // 2 + 2 * HEADS * LENGTH * 56  # query, key, value, output; the padded bias
        assert memory.live == casts + LOGSUMEXP


IMAGE = (1, 4, 6, 6)
OPERATIONS = dict(
    layer_norm=lambda x: F.layer_norm(x, (6, )),
    group_norm=lambda x: F.group_norm(x, 2),
    batch_norm=lambda x: F.batch_norm(x, None, None, training=True),
    bilinear=lambda x: F.interpolate(x, scale_factor=2, mode='bilinear'),
    nearest=lambda x: F.interpolate(x, scale_factor=2),
    softmax=lambda x: F.softmax(x, dim=1),
    softmax_method=lambda x: x.softmax(1),
    log_softmax=lambda x: F.log_softmax(x, dim=1),
    mean=lambda x: x.mean(),
    linear=lambda x: F.linear(x, x[0, 0]),
    convolution=lambda x: F.conv2d(x, x[..., :3, :3]),
    matmul=lambda x: x @ x,
    gelu=F.gelu,
    relu=F.relu,
    sigmoid=torch.sigmoid,
    max_pool=lambda x: F.max_pool2d(x, 2),
    average_pool=lambda x: F.adaptive_avg_pool2d(x, 2),
    dropout=lambda x: F.dropout(x, 0.5),
    cat=lambda x: torch.cat([x, x]),
    pad=lambda x: F.pad(x, (1, 1)),
    roll=lambda x: x.roll(1, 2),
    add=lambda x: x + x,
)


@pytest.fixture
def autocast_on_cuda():
    """CUDA's autocast, without CUDA: what torch.autocast sets if there is a GPU."""
    torch.set_autocast_enabled('cuda', True)
    torch.set_autocast_dtype('cuda', torch.bfloat16)
    try:
        with FakeTensorMode():
            torch.zeros(2, 2, device='cuda')[0]
    except RuntimeError:
        pytest.skip('PyTorch is without CUDA, or an old one that wants a GPU even for fake tensors')
    else:
        yield
    finally:
        torch.set_autocast_enabled('cuda', False)


@pytest.mark.parametrize('name', OPERATIONS)
def test_dtypes_are_those_of_cuda(name, autocast_on_cuda):
    with FakeTensorMode():
        expected = OPERATIONS[name](torch.zeros(IMAGE, device='cuda', dtype=torch.bfloat16)).dtype
    with torch.autocast('cpu', torch.bfloat16), LiveMemory() as memory, cuda_activations(memory):
        assert OPERATIONS[name](torch.zeros(IMAGE, dtype=torch.bfloat16)).dtype == expected


@pytest.mark.parametrize('encoder', [SwinTransformer, SwinTransformerV2])
@pytest.mark.parametrize('num_heads', [[3, 6], [2, 4]])
def test_encoder_keeps_what_it_keeps_on_cuda(encoder, num_heads, autocast_on_cuda, monkeypatch):
    """With tensors that are on a GPU in name only: those have CUDA's autocast, and the same attention.

    Heads of 12 channels are filled up to 16 there.
    """
    model = encoder(dict(embed_dims=24, depths=[2, 2], num_heads=num_heads), window_size=8, out_indices=(0, 1))

    def live(device):
        monkeypatch.setattr(windows, 'MASKS', tensor_cache.TensorCache(2**27))
        state = {name: torch.zeros(x.shape, dtype=x.dtype, device=device, requires_grad=x.requires_grad)
                 for name, x in [*model.named_parameters(), *model.named_buffers()]}
        images = torch.zeros(2, 3, 72, 100, device=device)
        is_on_gpu = attention.is_on_gpu
        with LiveMemory() as memory, cuda_activations(memory), monkeypatch.context() as patch:
            if device == 'cuda':
                patch.setattr(attention, 'is_on_gpu', is_on_gpu)
            maps = functional_call(model, state, images)
            assert len(maps) == 2
            return memory.live

    for file in (windows, tensor_cache):  # fake masks are kept here, as real ones are
        monkeypatch.setattr(file, 'is_real', lambda tensor: True)
    with FakeTensorMode():
        expected = live('cuda')
    with torch.autocast('cpu', torch.bfloat16):
        found = live('cpu')
    assert found == pytest.approx(expected, rel=0 if encoder is SwinTransformer else 1e-3)
