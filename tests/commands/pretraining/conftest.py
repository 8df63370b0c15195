"""One small pre-training for all tests."""

import contextlib
import io
import shutil
import signal
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import mmsimmim
from mmsimmim.commands.pretraining import TrainingStopped, follow

SETTINGS = {'max_iters': 6, 'warmup': 1, 'interval': 2, 'batch_size': 4, 'num_workers': 0}


@pytest.fixture(scope='session')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    values = torch.randint(0, 255, (24, 48, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for number, image in enumerate(values.numpy()):
        Image.fromarray(image).save(folder / f'{number}.png')
    return folder


@pytest.fixture(scope='session')
def labelled(images, tmp_path_factory):
    """Two classes; two of those to classify are trained on."""
    folder = tmp_path_factory.mktemp('labelled')
    for number in range(36):
        place = folder / ('train' if number < 24 else 'val') / f'class{number % 2}' / f'{number}.png'
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (40, 40), (number, 255 * (number % 2), 0)).save(place)
    for number in range(2):
        shutil.copy(sorted(images.iterdir())[number], folder / 'val' / 'class0')
    return folder


@pytest.fixture(scope='session')
def run(images, labelled, tmp_path_factory):
    """A run that was interrupted after two of six steps, and resumed."""
    out = tmp_path_factory.mktemp("it's a folder") / 'run'

    def interrupt(process, work_dir, records=follow.records):
        sent = False
        for record in records(process, work_dir):
            if record and 'loss' in record and record['iter'] >= 2 and not sent:
                sent = True  # a second one ends it at once
                process.send_signal(signal.SIGTERM)
            yield record

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr('mmsimmim.commands.pretraining.run.records', interrupt)
        patch.setattr(follow, 'PERIOD', 0.02)  # or the six steps are over before two of them are seen
        with pytest.raises(TrainingStopped) as stopped:
            mmsimmim.pretrain(images, out, arch='swin-atto', img_size=128, labelled=labelled, settings={
                **SETTINGS, 'default_hooks.logger.interval': 1})
        page = (out / 'report.html').read_text()
    with contextlib.redirect_stdout(printed):
        result = mmsimmim.pretrain(images, out, resume=True)
    return SimpleNamespace(out=out, stopped=stopped.value, page=page, result=result, text=printed.getvalue())
