"""Our Swin in mmsegmentation's UPerNet does what mmsegmentation's own Swin does there: losses, gradients, logits."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import copy

import pytest
import torch
from mmengine.runner import load_checkpoint, save_checkpoint
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from tests.downstream.stock_models import NUM_CLASSES, OUR_SWIN, SEGMENTOR, STOCK_SWIN, build, draw_weights, images

# Height and width of each image of a batch, pixels; batch norm needs two. Tokens are of 4 pixels, windows of 7 tokens.
BATCHES = {
    'whole windows': [(112, 56)] * 2,
    'odd': [(101, 67)] * 2,
    'smaller than a window': [(20, 23)] * 2,
    'different sizes': [(61, 130), (90, 45)],
}
# Relative to the largest value: rounding alone. In float32 a sum in another order, grown by some thirty layers.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
# Batch norm over the two pixels that the poolings leave of small images magnifies it.
OF_GRADIENTS = {**TOLERANCE, torch.float32: 1e-3}


@pytest.fixture(scope='module')
def segmentors(tmp_path_factory):
    """The segmentor of mmsegmentation, and the same with our Swin, which loaded the checkpoint of the whole."""
    path = str(tmp_path_factory.mktemp('segmentor') / 'stock.pth')
    theirs, ours = build(SEGMENTOR, STOCK_SWIN), build(SEGMENTOR, OUR_SWIN)
    draw_weights(theirs)
    save_checkpoint(dict(state_dict=theirs.state_dict(), meta=dict(epoch=1)), path)
    load_checkpoint(ours, path, map_location='cpu', strict=True)
    for module in [*theirs.modules(), *ours.modules()]:
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.  # rounding in one test is not carried into the next by running statistics
    return theirs, ours


def batch_of(model, sizes, dtype):
    """Images with labels in three bands, some ignored, through the model's preprocessor."""
    samples = []
    for height, width in sizes:
        labels = torch.arange(height)[:, None].expand(height, width) * (NUM_CLASSES + 1) // height
        sample = SegDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width)))
        sample.gt_sem_seg = PixelData(data=torch.where(labels == NUM_CLASSES, 255, labels)[None].contiguous())
        samples.append(sample)
    batch = model.data_preprocessor(dict(inputs=images(sizes), data_samples=samples), True)
    return dict(batch, inputs=batch['inputs'].to(dtype))


def assert_close(ours, theirs, tolerance, least=0.):
    """The largest value counts as ``least`` at least."""
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * max(theirs.abs().max().item(), least))


def losses_and_gradients(model, batch):
    model.zero_grad()
    torch.manual_seed(0)  # of the dropout in the heads
    losses = model(**copy.deepcopy(batch), mode='loss')
    model.parse_losses(losses)[0].backward()
    return losses, {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize('sizes', BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
def test_losses_and_gradients(segmentors, sizes, dtype):
    theirs, ours = (model.to(dtype) for model in segmentors)
    theirs.train(), ours.train()
    batch = batch_of(theirs, sizes, dtype)
    expected, expected_gradients = losses_and_gradients(theirs, batch)
    losses, gradients = losses_and_gradients(ours, batch)
    assert losses.keys() == expected.keys() == {'decode.loss_ce', 'decode.acc_seg', 'aux.loss_ce', 'aux.acc_seg'}
    for name, value in expected.items():
        assert_close(losses[name].detach(), value.detach(), TOLERANCE[dtype])
    assert gradients.keys() == expected_gradients.keys()
    # Batch norm takes out what some biases add: their gradient is rounding alone, of what is much larger.
    largest = max(value.abs().max().item() for value in expected_gradients.values())
    for name, value in expected_gradients.items():
        assert value.abs().max() > 1e-4 * largest or not name.startswith('backbone.stages.')
        assert_close(gradients[name], value, OF_GRADIENTS[dtype], least=0.1 * largest)


@torch.no_grad()
@pytest.mark.parametrize('sizes', BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
def test_maps_and_logits(segmentors, sizes, dtype):
    theirs, ours = (model.to(dtype).eval() for model in segmentors)
    batch = batch_of(theirs, sizes, dtype)
    for map, expected in zip(ours.backbone(batch['inputs']), theirs.backbone(batch['inputs'])):
        assert_close(map, expected, TOLERANCE[dtype])
    predictions, expected = (model(**copy.deepcopy(batch), mode='predict') for model in (ours, theirs))
    for sample, expected_sample, (height, width) in zip(predictions, expected, sizes):
        logits, expected_logits = sample.seg_logits.data, expected_sample.seg_logits.data
        assert logits.shape == (NUM_CLASSES, height, width)
        assert_close(logits, expected_logits, TOLERANCE[dtype])
        labels, expected_labels = sample.pred_sem_seg.data, expected_sample.pred_sem_seg.data
        best = expected_logits.topk(2, dim=0).values
        clear = best[0] - best[1] > 2 * TOLERANCE[dtype] * expected_logits.abs().max()
        assert clear.float().mean() > 0.99 and torch.equal(labels[0][clear], expected_labels[0][clear])


@torch.no_grad()
def test_our_checkpoint_of_the_whole_goes_into_mmsegmentations(tmp_path):
    theirs, ours = build(SEGMENTOR, STOCK_SWIN), build(SEGMENTOR, OUR_SWIN)
    draw_weights(ours, seed=2)
    assert {name for name in theirs.state_dict() if not name.endswith('relative_position_index')} == set(
        ours.state_dict())
    save_checkpoint(dict(state_dict=ours.state_dict()), str(tmp_path / 'ours.pth'))
    load_checkpoint(theirs, str(tmp_path / 'ours.pth'))
    batch = batch_of(theirs, BATCHES['odd'], torch.float64)
    logits, expected = (model.double().eval()(**copy.deepcopy(batch), mode='tensor') for model in (ours, theirs))
    assert_close(logits, expected, TOLERANCE[torch.float64])
