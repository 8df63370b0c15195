"""Relative-position bias: index tables, log-spaced offsets, and resizing of learned tables to another window.

A bias table holds one row per relative offset of two tokens in a window of side ``w``: ``(2w - 1)**2`` rows in
row-major order of (vertical, horizontal) offset, one column per head. In a ViT the window is the image, and three rows
follow for the pairs with the class token: class token to patches, patches to class token, and class token to itself.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UserError

BIAS_RESIZE_MODES = ('geometric', 'bicubic')
CLASS_TOKEN_ROWS = 3


def relative_position_index(height: int, width: int) -> Tensor:
    """Rows of the bias table for each pair of tokens in a window.

    Args:
        height (int): Tokens in a column of the window.
        width (int): Tokens in a row of the window.

    Returns:
        Tensor: int64, shape (height * width, height * width); entry [i, j] is the row for query i and key j.
    """
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    rows, cols = rows.flatten(), cols.flatten()
    row_offset = rows[:, None] - rows[None, :] + height - 1
    col_offset = cols[:, None] - cols[None, :] + width - 1
    return row_offset * (2 * width - 1) + col_offset


def log_spaced_offsets(window_size: int, pretrained_window_size: int = 0) -> Tensor:
    """Log-spaced relative offsets, from which Swin Transformer V2 computes its bias (section 3.3, equation 4).

    An offset is relative to the largest one in pre-training, so that a larger window extrapolates only a little;
    the logarithm reduces that further.

    Args:
        window_size (int): Side of the window, tokens.
        pretrained_window_size (int): Side of the window whose largest offset becomes 1.06 (the base-8 logarithm of
            1 + 8). Defaults to 0, for ``window_size``.

    Returns:
        Tensor: float32, shape ((2 * window_size - 1)**2, 2): vertical and horizontal, in the order of a bias table.
    """
    offsets = torch.arange(1 - window_size, window_size, dtype=torch.float32)
    largest = max((pretrained_window_size or window_size) - 1, 1)
    offsets = offsets / largest * 8
    offsets = offsets.sign() * (offsets.abs() + 1).log2() / 3
    return torch.cartesian_prod(offsets, offsets)


def resize_bias_table(table: Tensor, num_rows: int, mode: str = 'geometric') -> Tensor:
    """Resize a bias table to the window of another model.

    ``geometric`` is the official SimMIM fine-tuning rule (``remap_pretrained_keys_swin`` in the official
    ``utils.py``): the source offsets are spread as a geometric sequence, dense near zero, so that they span the
    target's offsets, and a bicubic spline through them is evaluated at the integers. ``bicubic`` is the rule of
    supervised Swin, mmdet and mmseg: plain bicubic interpolation of the table as an image.

    Args:
        table (Tensor): Floating point, shape (L, heads) with L an odd square.
        num_rows (int): Rows wanted, an odd square.
        mode (str): ``'geometric'`` or ``'bicubic'``.

    Returns:
        Tensor: Shape (num_rows, heads), dtype and device of ``table``; ``table`` itself if it already fits.

    Raises:
        ValueError: If a number of rows is no odd square, or the mode is unknown.
    """
    source, target = _offsets_per_side(table.shape[0]), _offsets_per_side(num_rows)
    return _resize(table, (source, source), (target, target), mode)


def resize_token_bias_table(table: Tensor, grid: tuple[int, int], mode: str = 'geometric',
                            source_grid: tuple[int, int] | None = None) -> Tensor:
    """Resize a ViT's bias table to another grid of tokens; its class-token rows stay as they are.

    The rule is that of :func:`resize_bias_table`, along each side of the grid. Differentiable.

    Args:
        table (Tensor): Floating point, shape (L + 3, heads).
        grid (tuple[int, int]): Rows and columns of tokens wanted.
        mode (str): ``'geometric'`` or ``'bicubic'``.
        source_grid (tuple[int, int], optional): Rows and columns that the table was made for. Defaults to None:
            ``grid`` if L fits it, otherwise a square.

    Returns:
        Tensor: Shape ((2 * rows - 1) * (2 * columns - 1) + 3, heads), dtype and device of ``table``; ``table`` itself
        if it already fits.

    Raises:
        ValueError: If L fits no grid, or the mode is unknown.
    """
    target = _offsets(grid)
    num_rows = table.shape[0] - CLASS_TOKEN_ROWS
    if source_grid is not None:
        source = _offsets(source_grid)
    elif num_rows == target[0] * target[1]:
        source = target
    else:
        try:
            source = (_offsets_per_side(num_rows), ) * 2
        except ValueError as error:
            raise UserError(f'{error} beside {CLASS_TOKEN_ROWS} of the class token; a table of rectangular images '
                            'loads only into an encoder of the same img_size') from error
    if source == target:
        return table
    resized = _resize(table[:-CLASS_TOKEN_ROWS], source, target, mode)
    return torch.cat([resized, table[-CLASS_TOKEN_ROWS:]])


def token_bias(table: Tensor, grid: tuple[int, int], first: int = 0, last: int | None = None) -> Tensor:
    """Bias of each pair of a ViT's tokens, or of some queries with all keys.

    Args:
        table (Tensor): Shape ((2 * rows - 1) * (2 * columns - 1) + 3, heads).
        grid (tuple[int, int]): Rows and columns of tokens.
        first (int): First row of the grid whose tokens are queries; with row 0 comes the class token before them.
            Defaults to 0.
        last (int, optional): The row after the last one. Defaults to None: all.

    Returns:
        Tensor: Shape (heads, Q, N) with N = 1 + rows * columns, the class token first, and Q = N for all rows; entry
        [h, i, j] is for query i and key j. Contiguous.
    """
    rows, cols = grid
    last = rows if last is None else last
    # windows[:, i, j, a, b] is the entry for offset (i + a, j + b); turned around, a and b count the key's position
    image = table[:-CLASS_TOKEN_ROWS].T.contiguous().unflatten(1, _offsets(grid))[:, first:last + rows - 1]
    windows = image.unfold(1, rows, 1).unfold(2, cols, 1)
    patches = windows.flip(3, 4).reshape(-1, (last - first) * cols, rows * cols)
    from_class, to_class, class_alone = table[-CLASS_TOKEN_ROWS:].unsqueeze(-1).unsqueeze(-1)
    bias = torch.cat([to_class.expand(-1, patches.shape[1], 1), patches], dim=2)
    if first > 0:
        return bias
    first_row = torch.cat([class_alone, from_class.expand(-1, 1, rows * cols)], dim=2)
    return torch.cat([first_row, bias], dim=1)


def _offsets(grid: tuple[int, int]) -> tuple[int, int]:
    """Offsets per side of a grid of tokens."""
    return 2 * grid[0] - 1, 2 * grid[1] - 1


def _offsets_per_side(num_rows: int) -> int:
    """Side of a square table, ``2 * window - 1``."""
    side = math.isqrt(max(num_rows, 0))
    if side * side != num_rows or side % 2 == 0:
        raise UserError(f'a bias table of a square window has (2 * window - 1)**2 rows, got {num_rows}')
    return side


def _resize(table: Tensor, source: tuple[int, int], target: tuple[int, int], mode: str) -> Tensor:
    """Resize (rows, heads) of offsets ``source`` to offsets ``target``, both (vertical, horizontal)."""
    if mode not in BIAS_RESIZE_MODES:
        raise ValueError(f'mode {mode!r} is none of {BIAS_RESIZE_MODES}')
    if source == target:
        return table
    resize = _resize_geometric if mode == 'geometric' else _resize_bicubic
    return resize(table, source, target).to(table.dtype)


def _resize_bicubic(table: Tensor, source: tuple[int, int], target: tuple[int, int]) -> Tensor:
    # bf16 and fp16 have no bicubic kernel on every device
    image = table.T.reshape(1, -1, *source).to(torch.promote_types(table.dtype, torch.float32))
    image = F.interpolate(image, size=target, mode='bicubic', align_corners=False)
    return image.flatten(2)[0].T.contiguous()


def _resize_geometric(table: Tensor, source: tuple[int, int], target: tuple[int, int]) -> Tensor:
    # torch.jit.trace knows no operators with a device, and gives sizes as tensors
    make_weights = _traced_geometric_weights if torch.jit.is_tracing() else _geometric_weights
    # in float64, which autocast leaves alone
    vertical, horizontal = (make_weights(*sizes, table.device) for sizes in zip(source, target))
    image = table.to(torch.float64).unflatten(0, source)
    return torch.einsum('ab,cd,bdh->ach', vertical, horizontal, image).flatten(0, 1)


# a custom operator, as compilers cannot trace the cache and need not trace the computation of sizes
@torch.library.custom_op('mmsimmim::geometric_weights', mutates_args=())
def _geometric_weights(source: int, target: int, device: torch.device) -> Tensor:
    """Matrix (target, source) from the values at all offsets of one side to those of another size; float64."""
    return _cached_geometric_weights(source, target, device).clone()


@_geometric_weights.register_fake
def _(source: int, target: int, device: torch.device) -> Tensor:
    return torch.empty(target, source, dtype=torch.float64, device=device)


def _traced_geometric_weights(source: int | Tensor, target: int | Tensor, device: torch.device) -> Tensor:
    return _cached_geometric_weights(int(source), int(target), device)


@lru_cache(maxsize=64)
def _cached_geometric_weights(source: int, target: int, device: torch.device) -> Tensor:
    half = target // 2
    queries = torch.arange(-half, half + 1, dtype=torch.float64)
    return spline_weights(geometric_positions(source, target), queries).to(device)


def geometric_positions(source: int, target: int) -> Tensor:
    """Positions of the source table's offsets on the axis of the target's, by the official rule.

    The distances between neighbours grow as 1, q, q**2, ... away from zero; q is bisected in [1.01, 1.5] until the
    last one meets the last offset of the target. Beyond q = 1.5 they fall short, below 1.01 they overshoot.

    Args:
        source (int): Offsets per side of the source table.
        target (int): Offsets per side of the target table.

    Returns:
        Tensor: float64, shape (source,), increasing and symmetric around 0.
    """
    low, high = 1.01, 1.5
    while high - low > 1e-6:
        ratio = (low + high) / 2
        if sum(ratio**i for i in range(source // 2)) > target // 2:
            high = ratio
        else:
            low = ratio
    positive = torch.tensor([ratio**i for i in range(source // 2)], dtype=torch.float64).cumsum(0)
    return torch.cat([-positive.flip(0), torch.zeros(1, dtype=torch.float64), positive])


def spline_weights(knots: Tensor, queries: Tensor) -> Tensor:
    """Matrix that evaluates, at ``queries``, the interpolating spline through values given at ``knots``.

    The spline is cubic with not-a-knot ends: the second and the last but one knot are no breakpoints,
    as in FITPACK, which SciPy's ``interp2d`` called. With fewer than four knots the degree drops to what they
    determine. Queries beyond the knots return the value at the border.

    Args:
        knots (Tensor): float64, shape (n,), increasing.
        queries (Tensor): float64, shape (m,).

    Returns:
        Tensor: float64, shape (m, n).
    """
    degree = min(3, len(knots) - 1)
    first, inner, last = knots[:1], knots[2:max(2, len(knots) - 2)], knots[-1:]
    breakpoints = torch.cat([first.expand(degree + 1), inner, last.expand(degree + 1)])
    at_knots = _bspline_basis(breakpoints, degree, knots)
    at_queries = _bspline_basis(breakpoints, degree, queries.clamp(first, last))
    return torch.linalg.solve(at_knots, at_queries, left=False)


def _bspline_basis(breakpoints: Tensor, degree: int, x: Tensor) -> Tensor:
    """B-splines of ``degree`` over ``breakpoints`` at ``x``, by the recursion of Cox and de Boor: (len(x), n)."""
    last_interval = len(breakpoints) - degree - 2
    interval = torch.searchsorted(breakpoints, x, right=True).sub(1).clamp(max=last_interval)
    basis = F.one_hot(interval, len(breakpoints) - 1).to(x.dtype)
    for order in range(1, degree + 1):
        start, end = breakpoints[:-order - 1], breakpoints[order + 1:]
        rising = _divide(x[:, None] - start, breakpoints[order:-1] - start)
        falling = _divide(end - x[:, None], end - breakpoints[1:-order])
        basis = rising * basis[:, :-1] + falling * basis[:, 1:]
    return basis


def _divide(numerator: Tensor, width: Tensor) -> Tensor:
    """Quotient, and 0 where breakpoints coincide."""
    return torch.where(width > 0, numerator / width.where(width > 0, 1), 0)
