"""Visualization of the demo's models on held-out tiles."""
import contextlib
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from mmsimmim.visualization import draw_row, stack_rows

AERIAL = Path('demo/data/aerial')
NUCLEI = Path('demo/data/nuclei')
TREES = [f'yell-528000_r{row}c{col}.jpg' for row in (8, 9) for col in (1, 2)]
NUCLEI_TILES = [f'nuclei_r{row}c3.png' for row in range(4)]
YELLOW, CYAN = (255, 220, 0), (0, 230, 255)
MIN_SCORE = 0.2


def draw_reconstructions(config: str, checkpoint: Path, out: Path) -> None:
    """Draw four held-out tiles, as ``tools/analysis_tools/visualize_reconstruction.py`` does."""
    from mmsimmim.commands.visualize_reconstruction import main

    with quiet():
        main([str(AERIAL / 'val'), config, str(checkpoint), '--out', str(out), '--size', '192', '192', '--num', '4'])


def draw_trees(config: str, checkpoint: Path, out: Path) -> None:
    """Draw labelled and predicted boxes on four held-out tiles that lie side by side."""
    from mmdet.apis import inference_detector, init_detector

    with quiet():
        model = init_detector(config, str(checkpoint), palette='random', device=device(), cfg_options=NO_INIT)
    annotations = json.loads((AERIAL / 'instances_val.json').read_text())
    labelled, predicted = [], []
    for name in TREES:
        picture = cv2.imread(str(AERIAL / 'val' / name))
        result = inference_detector(model, picture).pred_instances.cpu()
        boxes = result.bboxes[result.scores >= MIN_SCORE].numpy()
        labelled.append(draw_boxes(picture, coco_boxes(annotations, name), YELLOW))
        predicted.append(draw_boxes(picture, boxes, CYAN))
    row = draw_row([mosaic(labelled, 2), mosaic(predicted, 2)],
                   captions=('labelled trees (held out)', f'found by the detector (score at least {MIN_SCORE})'))
    save(out, row)


def draw_nuclei(config: str, checkpoint: Path, out: Path) -> None:
    """Draw the held-out fluorescence tiles, their nuclei, and those predicted."""
    from mmseg.apis import inference_model, init_model

    with quiet():
        model = init_model(config, str(checkpoint), device=device(), cfg_options=NO_INIT)
    rows: list[list[np.ndarray]] = [[], [], []]
    for name in NUCLEI_TILES:
        picture = cv2.imread(str(NUCLEI / 'val' / name))
        labels = cv2.imread(str(NUCLEI / 'labels' / 'val' / name), cv2.IMREAD_UNCHANGED)
        predicted = inference_model(model, picture).pred_sem_seg.data[0].cpu().numpy()
        bright = brighten(picture)
        for row, tile in zip(rows, (bright, outline(bright, labels, YELLOW), outline(bright, predicted, CYAN))):
            row.append(enlarge(tile, 2))
    captions = ('fluorescence image (held out, brightened)', 'labelled nuclei', 'nuclei found by the segmentor')
    save(out, stack_rows([draw_row([mosaic(row, 4)], captions=(caption, )) for row, caption in zip(rows, captions)]))


def compose(work_dir: Path) -> None:
    """Combine the three images into one, small enough for a README."""
    parts = [np.asarray(Image.open(work_dir / name)) for name in ('reconstructions.png', 'trees.png', 'nuclei.png')]
    parts[0] = parts[0][:parts[0].shape[0] // 2]  # two of the four rows
    width = min(part.shape[1] for part in parts)
    scaled = [
        np.asarray(Image.fromarray(part).resize((width, round(part.shape[0] * width / part.shape[1])), Image.LANCZOS))
        for part in parts
    ]
    Image.fromarray(stack_rows(scaled)).save(work_dir / 'demo.jpg', quality=75)


# The weights come with the checkpoint; the pre-training is not needed to build the model.
NO_INIT = {'model.backbone.init_cfg': None}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what loading a model prints."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


def device() -> str:
    return 'cuda:0' if torch.cuda.is_available() else 'cpu'


def coco_boxes(annotations: dict, file_name: str) -> np.ndarray:
    """Boxes of a tile that count, x0 y0 x1 y1, shape (N, 4)."""
    image_id = next(image['id'] for image in annotations['images'] if image['file_name'] == file_name)
    boxes = [
        entry['bbox'] for entry in annotations['annotations']
        if entry['image_id'] == image_id and not entry['iscrowd']
    ]
    boxes = np.array(boxes, dtype=float).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def draw_boxes(picture: np.ndarray, boxes: np.ndarray, colour: Sequence[int]) -> np.ndarray:
    """A BGR picture as RGB, with boxes."""
    picture = np.ascontiguousarray(picture[..., ::-1])
    for x0, y0, x1, y1 in boxes.round().astype(int).tolist():
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2)
    return picture


def outline(picture: np.ndarray, labels: np.ndarray, colour: Sequence[int]) -> np.ndarray:
    """Tint the labelled area and draw its border."""
    inside = labels.astype(bool)
    tinted = np.where(inside[..., None], (0.75 * picture + 0.25 * np.array(colour)).astype(np.uint8), picture)
    border = inside & ~cv2.erode(labels.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    tinted[border] = colour
    return tinted


def brighten(picture: np.ndarray) -> np.ndarray:
    """Show the dark values of a fluorescence image, which fill a fifth of the range."""
    return (255 * (picture / 255.0).clip(0, 0.6) ** 0.6 / 0.6**0.6).astype(np.uint8)


def enlarge(tile: np.ndarray, factor: int) -> np.ndarray:
    return cv2.resize(tile, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)


def mosaic(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Join tiles, row by row; those of one row have the same height."""
    rows = [np.concatenate(tiles[i:i + columns], axis=1) for i in range(0, len(tiles), columns)]
    width = min(row.shape[1] for row in rows)
    return np.concatenate([row[:, :width] for row in rows])


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
