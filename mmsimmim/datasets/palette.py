"""Palettes: cluster centres of the colours of images."""

import numpy as np
from mmcv.transforms import BaseTransform

from ..errors import UserError
from .transforms import LoadImage, UnreadableImage


def sample_pixels(paths: list[str],
                  count: int,
                  stride: int = 1,
                  seed: int = 0,
                  loader: BaseTransform | None = None) -> tuple[np.ndarray, list[str]]:
    """Draw pixels from images, about as many from each.

    Args:
        paths (list[str]): Files of the images.
        count (int): How many pixels altogether, at most.
        stride (int): Pixels are means over squares of so many pixels per side, as the target's. Defaults to 1.
        seed (int): Of the draw. Defaults to 0.
        loader (BaseTransform, optional): Reads an image. Defaults to None: :class:`mmsimmim.LoadImage`.

    Returns:
        tuple[np.ndarray, list[str]]: float32, shape (N, 3), red, green, blue from 0 to 255; and a line for each file
        that could not be used.

    Raises:
        UserError: If no image can be used.
    """
    loader = loader or LoadImage()
    random = np.random.default_rng(seed)
    # Which images give their pixels must not depend on the names, if there are more images than pixels.
    chosen = random.permutation(len(paths))[:count]
    parts, left_out = [], []
    for i, position in enumerate(sorted(chosen)):
        share = (i + 1) * count // len(chosen) - i * count // len(chosen)
        try:
            image = loader(dict(img_path=paths[position]))['img']
        except UnreadableImage as error:
            left_out.append(f'{paths[position]}: {error}')
            continue
        if min(image.shape[:2]) < stride:
            left_out.append(f'{paths[position]}: smaller than {stride} x {stride} pixels')
            continue
        parts.append(_draw(image[..., ::-1], share, stride, random))
    if not parts:
        raise UserError('None of the images can be used: ' + '; '.join(left_out[:3]))
    return np.concatenate(parts), left_out


def _draw(image: np.ndarray, count: int, stride: int, random: np.random.Generator) -> np.ndarray:
    """Mean colours of different whole squares, (N, 3); what is left over at the right and the bottom is cut off."""
    rows, cols = image.shape[0] // stride, image.shape[1] // stride
    squares = image[:rows * stride, :cols * stride].reshape(rows, stride, cols, stride, 3)
    row, col = np.divmod(random.choice(rows * cols, min(count, rows * cols), replace=False), cols)
    return squares[row, :, col].mean(axis=(1, 2), dtype=np.float32)


def fit_palette(pixels: np.ndarray, num_colours: int = 512, seed: int = 0) -> tuple[np.ndarray, float]:
    """The centres of k-means over pixels (scikit-learn's, in minibatches).

    Args:
        pixels (np.ndarray): Shape (N, 3), red, green, blue from 0 to 255.
        num_colours (int): How many centres. Defaults to 512, as in iGPT.
        seed (int): Of the initial centres. Defaults to 0.

    Returns:
        tuple[np.ndarray, float]: float32, shape (num_colours, 3), from dark to bright; and the root of the mean squared
        distance of the pixels to their centres, in levels of 0..255.

    Raises:
        UserError: If scikit-learn is missing, or there are fewer different colours than asked for.
    """
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise UserError('Fitting a palette takes scikit-learn: pip install scikit-learn') from error
    different = len(np.unique(pixels.round(3), axis=0))
    if different < num_colours:
        raise UserError(f'The pixels have {different} different colours, fewer than the {num_colours} asked for: give '
                        'more images or ask for fewer colours.')
    model = MiniBatchKMeans(num_colours, random_state=seed, n_init=3, batch_size=max(4096, 8 * num_colours))
    model.fit(pixels)
    centres = model.cluster_centers_.clip(0, 255).astype(np.float32)
    order = np.argsort(centres.sum(1), kind='stable')
    return centres[order], float(np.sqrt(model.inertia_ / len(pixels)))
