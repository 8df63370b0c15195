"""Our Swin in mmdet's Mask R-CNN does what mmdet's own Swin does there: losses, gradients, boxes, masks."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import copy

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.runner import load_checkpoint, save_checkpoint
from mmengine.structures import InstanceData

from tests.downstream.stock_models import DETECTOR, OUR_SWIN, STOCK_SWIN, build, draw_weights, images

# Height and width of each image of a batch, pixels; tokens are of 4 pixels, windows of 7 tokens.
BATCHES = {
    'whole windows': [(112, 56)],
    'odd': [(101, 67)],
    'smaller than a window': [(20, 23)],
    'different sizes': [(61, 130), (90, 45)],
}
# Relative to the largest value: rounding alone. In float32 a sum in another order, grown by some thirty layers.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


@pytest.fixture(scope='module')
def detectors(tmp_path_factory):
    """The detector of mmdet, and the same with our Swin, which loaded the checkpoint of the whole."""
    path = str(tmp_path_factory.mktemp('detector') / 'stock.pth')
    theirs, ours = build(DETECTOR, STOCK_SWIN), build(DETECTOR, OUR_SWIN)
    theirs.test_cfg.rcnn.mask_thr_binary = ours.test_cfg.rcnn.mask_thr_binary = -1  # probabilities, not yes or no
    draw_weights(theirs)
    save_checkpoint(dict(state_dict=theirs.state_dict(), meta=dict(epoch=1)), path)
    load_checkpoint(ours, path, map_location='cpu', strict=True)
    return theirs, ours


def batch_of(model, sizes, dtype):
    """Images with two rectangles each, through the model's preprocessor."""
    samples = []
    for index, (height, width) in enumerate(sizes):
        boxes = torch.tensor([[0.1, 0.2, 0.6, 0.9], [0.5, 0.1, 0.95, 0.7]]) * torch.tensor([width, height] * 2)
        masks = np.zeros((2, height, width), np.uint8)
        for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist()):
            mask[top:bottom, left:right] = 1
        sample = DetDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width),
                                             scale_factor=(1., 1.), img_id=index))
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 2]),
                                           masks=BitmapMasks(masks, height, width))
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
        samples.append(sample)
    batch = model.data_preprocessor(dict(inputs=images(sizes), data_samples=samples), True)
    return dict(batch, inputs=batch['inputs'].to(dtype))


def assert_close(ours, theirs, dtype):
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE[dtype] * theirs.abs().max().item())


def losses_and_gradients(model, batch):
    model.zero_grad()
    torch.manual_seed(0)  # of the samplers
    losses = model(**copy.deepcopy(batch), mode='loss')
    model.parse_losses(losses)[0].backward()
    losses = {name: torch.stack([part.detach() for part in value]) if isinstance(value, list) else value.detach()
              for name, value in losses.items()}
    return losses, {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize('sizes', BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
def test_losses_and_gradients(detectors, sizes, dtype):
    theirs, ours = (model.to(dtype) for model in detectors)
    theirs.train(), ours.train()
    batch = batch_of(theirs, sizes, dtype)
    expected, expected_gradients = losses_and_gradients(theirs, batch)
    losses, gradients = losses_and_gradients(ours, batch)
    assert losses.keys() == expected.keys() and len(losses) == 6
    for name, value in expected.items():
        assert_close(losses[name], value, dtype)
    assert gradients.keys() == expected_gradients.keys()
    for name, value in expected_gradients.items():
        assert value.abs().max() > 0 or not name.startswith('backbone.')
        assert_close(gradients[name], value, dtype)


def flat(outputs):
    """The tensors in nested tuples."""
    return [outputs] if isinstance(outputs, torch.Tensor) else [part for inner in outputs for part in flat(inner)]


@torch.no_grad()
@pytest.mark.parametrize('sizes', BATCHES.values(), ids=BATCHES)
def test_maps_and_raw_outputs_of_the_heads(detectors, sizes):
    """In float64, which mmdet's pasting of masks into the image does not take."""
    theirs, ours = (model.double().eval() for model in detectors)
    batch = batch_of(theirs, sizes, torch.float64)
    outputs, expected = (flat([*model.backbone(batch['inputs']), *model(**copy.deepcopy(batch), mode='tensor')])
                         for model in (ours, theirs))
    assert len(outputs) == len(expected) == 7  # maps; classes, boxes and masks of the proposals
    for output, expected_output in zip(outputs, expected):
        assert_close(output, expected_output, torch.float64)


@torch.no_grad()
@pytest.mark.parametrize('sizes', BATCHES.values(), ids=BATCHES)
def test_predictions(detectors, sizes):
    theirs, ours = (model.float().eval() for model in detectors)
    batch = batch_of(theirs, sizes, torch.float32)
    predictions, expected = (model(**copy.deepcopy(batch), mode='predict') for model in (ours, theirs))
    for sample, expected_sample in zip(predictions, expected):
        instances, expected_instances = sample.pred_instances, expected_sample.pred_instances
        assert len(instances) == len(expected_instances) > 3
        assert_close(instances.bboxes, expected_instances.bboxes, torch.float32)
        assert_close(instances.scores, expected_instances.scores, torch.float32)
        assert torch.equal(instances.labels, expected_instances.labels)
        # probabilities in steps of 1 / 255, one of which may be rounded to its neighbour
        masks, expected_masks = instances.masks.int(), expected_instances.masks.int()
        assert expected_masks.unique().numel() > 50 and (masks - expected_masks).abs().max() <= 1


@torch.no_grad()
def test_our_checkpoint_of_the_whole_goes_into_mmdets(tmp_path):
    theirs, ours = build(DETECTOR, STOCK_SWIN), build(DETECTOR, OUR_SWIN)
    draw_weights(ours, seed=2)
    assert {name for name in theirs.state_dict() if not name.endswith('relative_position_index')} == set(
        ours.state_dict())
    save_checkpoint(dict(state_dict=ours.state_dict()), str(tmp_path / 'ours.pth'))
    load_checkpoint(theirs, str(tmp_path / 'ours.pth'))
    batch = batch_of(theirs, BATCHES['odd'], torch.float64)
    outputs, expected = (flat(model.double().eval()(**copy.deepcopy(batch), mode='tensor')) for model in (ours, theirs))
    for output, expected_output in zip(outputs, expected):
        assert_close(output, expected_output, torch.float64)
