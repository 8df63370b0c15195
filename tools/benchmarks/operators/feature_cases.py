"""Cases for RoIAlign, multi-scale deformable attention and the focal loss."""

from collections.abc import Iterator
from itertools import product

import torch

from tools.benchmarks.operators.row import Row, generator, short


def roi_align_rows() -> Iterator[Row]:
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12), (torch.float16, 5e-4)):
        name = short(dtype)
        half = dtype == torch.float16
        name += ' (compiled: float32)' if half else ''
        cases = [
            _roi_align_case(dtype, *settings, seed)
            for settings in product((1.0, 0.25), (0, 2), (True, False))
            for seed in range(20)
        ]
        what = f'{name}, sampling_ratio 0 and 2, aligned or not'
        yield Row('roi_align', what, cases, tolerance, in_float32=half)
    yield Row('roi_align', 'no region', [_roi_align_case(torch.float32, 0.25, 2, True, None)])


def _roi_align_case(dtype, scale, ratio, aligned, seed):
    def run(extension):
        random = generator(seed or 0)
        features = torch.randn(2, 3, 12, 15, generator=random).to(dtype)
        rois = torch.zeros(0, 5)
        if seed is not None:
            corners = torch.rand(16, 2, generator=random) * 50 - 8  # some begin outside
            sides = torch.rand(16, 2, generator=random) * torch.tensor([30, 60])[torch.arange(16) % 2, None]
            image = torch.arange(16)[:, None] % 2
            rois = torch.cat([image, corners, corners + sides], dim=1)
        rois = rois.to(dtype)
        output = features.new_zeros(len(rois), 3, 4, 5)
        empty, shape = features.new_zeros(0), dict(aligned_height=4, aligned_width=5)
        settings = dict(spatial_scale=scale, sampling_ratio=ratio, pool_mode=1, aligned=aligned)
        extension.roi_align_forward(features, rois, output, empty, empty, **shape, **settings)
        grad = torch.randn(output.shape, generator=random).to(dtype)
        grad_input = torch.zeros_like(features)
        extension.roi_align_backward(grad, rois, empty, empty, grad_input, **shape, **settings)
        return {'output': output, 'gradient of the input': grad_input}

    return run


def attention_rows() -> Iterator[Row]:
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-11)):
        name = short(dtype)
        for what, edges in (('one to three maps', False), ('a pixel outside the maps', True)):
            cases = [_attention_case(dtype, seed, edges) for seed in range(30)]
            yield Row('ms_deform_attn', f'{name}, {what}', cases, tolerance)


def _attention_case(dtype, seed, edges):
    def run(extension):
        random = generator(seed)
        sizes = [[8, 4], [4, 2], [2, 2]] if edges else [[7, 9], [4, 5], [2, 3]]
        shapes = torch.tensor(sizes[: 1 + seed % 3])
        pixels = shapes.prod(dim=1)
        starts = pixels.cumsum(0) - pixels
        value = torch.randn(2, int(pixels.sum()), 2, 4, generator=random).to(dtype)
        locations = (torch.rand(2, 6, 2, len(shapes), 3, 2, generator=random) * 1.4 - 0.2).to(dtype)
        if edges:  # sides are powers of two, so that these lie exactly one pixel outside
            locations[..., 0, 0] = -0.5 / shapes[:, 1:].to(dtype)
            locations[..., 1, 1] = -0.5 / shapes[:, :1].to(dtype)
        weights = torch.rand(2, 6, 2, len(shapes), 3, generator=random).to(dtype)
        inputs = (value, shapes, starts, locations, weights)
        output = extension.ms_deform_attn_forward(*inputs, 64)
        grads = [torch.zeros_like(tensor) for tensor in (value, locations, weights)]
        grad = torch.randn(output.shape, generator=random).to(dtype)
        extension.ms_deform_attn_backward(*inputs, grad, *grads, 64)
        names = ('gradient of the maps', 'of the locations', 'of the weights')
        return {'output': output, **dict(zip(names, grads))}

    return run


def focal_rows() -> Iterator[Row]:
    for weighted in (False, True):
        cases = [_focal_case(spread, weighted, seed) for spread in (1.0, 4.0) for seed in range(20)]
        what = 'logits within 8' + (', weighted by class' if weighted else ', with background')
        yield Row('sigmoid_focal_loss', what, cases, 1e-4)
    for result, known in (('loss', KNOWN_FOCAL), ('gradient', '')):
        cases = [_only(result, _focal_case(None, False, seed)) for seed in range(20)]
        yield Row('sigmoid_focal_loss', f'logits beyond 20, {result}', cases, 1e-4, known)


def _only(result, case):
    return lambda extension: {result: case(extension)[result]}


KNOWN_FOCAL = 'the compiled one takes log(1 - p) of a rounded p, 87 at most; ours is exact'


def _focal_case(spread, weighted, seed):
    def run(extension):
        random = generator(seed)
        logits = torch.randn(11, 5, generator=random)
        if spread is None:
            logits = logits.sign() * (20 + 56 * logits.abs())
        else:
            logits = (logits * spread).clamp(-8, 8)
        target = torch.randint(0, 5 if weighted else 6, (11,), generator=random)  # 5 is the background
        weight = torch.rand(5, generator=random) + 0.5 if weighted else logits.new_zeros(0)
        gamma, alpha = ((2.0, 0.25), (0.0, 0.5), (1.5, 0.8))[seed % 3]
        loss, grad = torch.zeros_like(logits), torch.zeros_like(logits)
        extension.sigmoid_focal_loss_forward(logits, target, weight, loss, gamma=gamma, alpha=alpha)
        extension.sigmoid_focal_loss_backward(logits, target, weight, grad, gamma=gamma, alpha=alpha)
        return {'loss': loss, 'gradient': grad}

    return run
