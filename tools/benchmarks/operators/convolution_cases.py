"""Cases for deformable convolution, version 1 and version 2 (modulated)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tools.benchmarks.operators.row import Row, generator, short

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.float16: 5e-4}


@dataclass(frozen=True)
class Geometry:
    """A convolution of 3 x 2 pixels on 4 channels; the maps of offsets may exceed the output by ``extra`` pixels."""

    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    deform_groups: int = 1
    extra: int = 0

    kernel = (3, 2)
    size = (7, 9)
    channels = 4

    def output_size(self) -> list[int]:
        return [
            (side + 2 * self.padding - self.dilation * (taps - 1) - 1) // self.stride + 1
            for side, taps in zip(self.size, self.kernel)
        ]

    def offset_size(self) -> list[int]:
        return [side + self.extra for side in self.output_size()]

    def keywords(self) -> dict[str, int]:
        """As version 1 names them."""
        return dict(
            kW=self.kernel[1], kH=self.kernel[0], dW=self.stride, dH=self.stride, padW=self.padding, padH=self.padding,
            dilationW=self.dilation, dilationH=self.dilation, group=self.groups, deformable_group=self.deform_groups,
        )  # fmt: skip

    def modulated_keywords(self) -> dict[str, int]:
        """As version 2 names them."""
        return dict(
            kernel_h=self.kernel[0], kernel_w=self.kernel[1], stride_h=self.stride, stride_w=self.stride,
            pad_h=self.padding, pad_w=self.padding, dilation_h=self.dilation, dilation_w=self.dilation,
            group=self.groups, deformable_group=self.deform_groups,
        )  # fmt: skip


GEOMETRIES = (
    Geometry(),
    Geometry(stride=2),
    Geometry(dilation=2, padding=2),
    Geometry(groups=2),
    Geometry(deform_groups=2),
    Geometry(stride=2, padding=0, groups=2, deform_groups=4),
)


def convolution_rows() -> Iterator[Row]:
    """Both versions, in each type; offsets reach beyond the maps, and some are whole numbers."""
    for title, case in (('deform_conv', _plain_case), ('modulated_deform_conv', _modulated_case)):
        for dtype in (torch.float32, torch.float64, torch.float16):
            for what, make in OFFSETS.items():
                cases = [case(geometry, dtype, seed, make) for geometry in GEOMETRIES for seed in range(5)]
                half = dtype == torch.float16
                name = short(dtype) + (' (compiled: float32)' if half else '')
                yield Row(title, f'{name}, {what}', cases, TOLERANCE[dtype], in_float32=half)
        # Smaller maps are left out for version 2, where the compiled one reads beyond the end of the tensor.
        for name, extra in {'larger': 3, 'smaller': -1}.items() if title == 'deform_conv' else {'larger': 3}.items():
            cases = [case(Geometry(stride=stride, extra=extra), torch.float64, 0, random_offsets) for stride in (1, 2)]
            yield Row(title, f'maps of offsets {name} than the output', cases, 1e-12)
    cases = [_modulated_case(Geometry(extra=extra), torch.float64, 0, random_offsets, True) for extra in (0, 2)]
    yield Row('modulated_deform_conv', 'offsets and masks are channels of one map', cases, 1e-12)


def random_offsets(shape: list[int], random: torch.Generator) -> Tensor:
    """Offsets that reach beyond the maps."""
    return torch.randn(shape, generator=random) * 2


def whole_offsets(shape: list[int], random: torch.Generator) -> Tensor:
    """Offsets of whole pixels, many of them 0, as all are when a training starts."""
    return random_offsets(shape, random).round()


OFFSETS = {'fractional offsets': random_offsets, 'whole offsets': whole_offsets}


def _plain_case(geometry, dtype, seed, make):
    def run(extension):
        random = generator(seed)
        taps = geometry.kernel[0] * geometry.kernel[1]
        x = torch.randn(4, 4, *geometry.size, generator=random).to(dtype)
        weight = torch.randn(8, 4 // geometry.groups, *geometry.kernel, generator=random).to(dtype)
        offset = make([4, 2 * taps * geometry.deform_groups, *geometry.offset_size()], random).to(dtype)
        output = x.new_empty(4, 8, *geometry.output_size())
        grad = torch.randn(output.shape, generator=random).to(dtype)
        keywords = dict(geometry.keywords(), im2col_step=2)
        buffers = [x.new_empty(0), x.new_empty(0)]
        extension.deform_conv_forward(x, weight, offset, output, *buffers, **keywords)
        grad_x, grad_offset, grad_weight = (torch.zeros_like(tensor) for tensor in (x, offset, weight))
        extension.deform_conv_backward_input(
            x, offset, grad.clone(), grad_x, grad_offset, weight, buffers[0], **keywords
        )
        extension.deform_conv_backward_parameters(
            x, offset, grad.clone(), grad_weight, *buffers, **{**keywords, 'scale': 0.5}
        )
        names = ('gradient of the input', 'of the offsets', 'of the kernel')
        return {'output': output, **dict(zip(names, (grad_x, grad_offset, grad_weight)))}

    return run


def _modulated_case(geometry, dtype, seed, make, together=False):
    def run(extension):
        random = generator(seed)
        taps = geometry.kernel[0] * geometry.kernel[1]
        with_bias = seed % 2 == 0
        x = torch.randn(3, 4, *geometry.size, generator=random).to(dtype)
        weight = torch.randn(8, 4 // geometry.groups, *geometry.kernel, generator=random).to(dtype)
        bias = torch.randn(8, generator=random).to(dtype) if with_bias else x.new_empty(0)
        offset = make([3, 2 * taps * geometry.deform_groups, *geometry.offset_size()], random).to(dtype)
        mask = torch.rand(3, taps * geometry.deform_groups, *geometry.offset_size(), generator=random).to(dtype)
        if together:  # as in mmdet's DyHead
            offset, mask = torch.cat([offset, mask], dim=1).split([offset.shape[1], mask.shape[1]], dim=1)
        output = x.new_empty(3, 8, *geometry.output_size())
        grad = torch.randn(output.shape, generator=random).to(dtype)
        keywords = dict(geometry.modulated_keywords(), with_bias=with_bias)
        buffers = [x.new_empty(0), x.new_empty(0)]
        extension.modulated_deform_conv_forward(
            x, weight, bias, buffers[0], offset, mask, output, buffers[1], **keywords
        )
        grads = [torch.zeros_like(tensor) for tensor in (x, weight, bias, offset, mask)]
        extension.modulated_deform_conv_backward(
            x, weight, bias, buffers[0], offset, mask, buffers[1], *grads, grad, **keywords
        )
        names = ('gradient of the input', 'of the kernel', 'of the bias', 'of the offsets', 'of the mask')
        return {'output': output, **dict(zip(names, grads))}

    return run
