"""The quick start of the README, from an installed wheel: one command, then mmdet's Mask R-CNN from its encoder.

    cd EMPTY_FOLDER && PYTHON_OF_THE_ENVIRONMENT quick_start.py DATA

DATA is a folder like demo/data. Commands and config are those of the README that is in the wheel's metadata; only what
makes them short on a CPU is added. Ends with 1 where something does not hold.
"""

import importlib
import importlib.metadata
import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name('mmsimmim'))
# Few steps, and no processes for loading images.
SHORT = ('train_dataloader.num_workers=0', 'val_dataloader.num_workers=0', 'train_cfg.max_epochs=1',
         'default_hooks.logger.interval=1')
DETECTION_DATA = """
data_root = {root!r}
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=(128, 128), keep_ratio=True), dict(type='PackDetInputs')]
dataset = dict(data_root=data_root, pipeline=pipeline, metainfo=dict(classes=('nucleus', )))
train_dataloader = dict(dataset=dict(
    ann_file='instances_train.json', data_prefix=dict(img='train/'), indices=4, **dataset))
val_dataloader = dict(dataset=dict(ann_file='instances_val.json', data_prefix=dict(img='val/'), **dataset))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + '/instances_val.json')
test_evaluator = val_evaluator
model.update(
    neck=dict(in_channels=[24, 48, 96, 192]),
    roi_head=dict(bbox_head=dict(num_classes=1), mask_head=dict(num_classes=1)),
    train_cfg=dict(rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=dict(max_per_img=50), rcnn=dict(max_per_img=5)))
"""


def main() -> None:
    data = Path(sys.argv[1]).resolve()
    readme = importlib.metadata.metadata('mmsimmim').get_payload()
    check_installation()

    pretrain(readme, data / 'aerial')
    refuse(data / 'aerial')
    backbone = pretrain_in_python(data / 'nuclei' / 'train')

    block = next(block for block in re.findall(r'```python\n(.*?)```', readme, re.S) if "'mmdet::" in block)
    config = Path('detector.py')
    block = block.replace("='work_dirs/pretrain/epoch_100.pth', prefix='backbone.'", f"='{backbone}'")
    config.write_text(block.replace("arch='tiny'", "arch='atto'") + DETECTION_DATA.format(root=f'{data}/nuclei'))
    run(['-m', 'mmsimmim', 'train', str(config), '--cfg-options', *SHORT], 'detector.log')
    report = re.search(r'(\d+) of (\d+) parameters', Path('detector.log').read_text())
    check(report and int(report[1]) > 0.9 * int(report[2]), f'of the encoder, {report and report[0]} matched')
    check_losses('work_dirs/detector', 'loss', 'loss_mask')
    check(Path('work_dirs/detector/epoch_1.pth').is_file(), 'work_dirs/detector/epoch_1.pth is written')


def pretrain(readme: str, images: Path) -> None:
    """The first command of the README, short, and what it leaves."""
    lines = [line.strip() for block in re.findall(r'```shell\n(.*?)```', readme, re.S) for line in block.splitlines()]
    command = next(line for line in lines if line.startswith('mmsimmim pretrain --data'))
    command = command.replace('/data/aerial', str(images)).replace('runs/aerial', 'aerial')
    run_command([*shlex.split(command), '--arch', 'swin-atto', '--epochs', '30'], 'pretrain.log')
    summary = json.loads(Path('aerial/summary.json').read_text())
    first, last = summary['first_loss'], summary['last_loss']
    check(last < 0.8 * first, f'loss {first} to {last}')
    for name in ('report.html', 'pictures/inputs.png', 'pictures/curves.png', 'pictures/reconstruction.png',
                 'backbone.pth', 'backbone_timm.safetensors', 'pretrain_config.py'):
        check(Path('aerial', name).stat().st_size > 1000, f'aerial/{name} is written')
    reconstruct = shlex.split(summary['next_commands'][0])
    run_command(reconstruct, 'reconstruct.log')
    check(len(list(Path('aerial/reconstructions').rglob('*.png'))) == 8, 'pictures are reconstructed')
    check(summary['seconds'] < 240, f"the command took {summary['seconds']:.0f} s")
    for framework in ('mmdet', 'mmseg'):
        load_in(framework, summary['files']['backbone'])


def load_in(framework: str, backbone: str) -> None:
    """The framework's own Swin, as its configs have it, takes every weight from the file."""
    import torch
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS, DefaultScope

    from mmsimmim.architectures import SWIN

    importlib.import_module(f'{framework}.models')
    weights = torch.load(backbone, weights_only=True)['state_dict']
    table = weights['backbone.stages.0.blocks.0.attn.w_msa.relative_position_bias_table']
    with DefaultScope.overwrite_default_scope(framework):
        theirs = MODELS.build(ConfigDict(
            type='SwinTransformer', **SWIN['atto'], window_size=(math.isqrt(len(table)) + 1) // 2,
            init_cfg=dict(type='Pretrained', checkpoint=backbone)))
    theirs.init_weights()
    found = theirs.state_dict()
    given = {name.removeprefix('backbone.'): value for name, value in weights.items()}
    # the last map of small crops has smaller windows, whose tables are resized
    resized = [name for name, value in given.items() if 'table' in name and found[name].shape != value.shape]
    same = [name for name, value in given.items() if name not in resized and torch.equal(found[name], value)]
    check(len(same) + len(resized) == len(given) > 100 and len(resized) <= 2,
          f'{framework} loads {len(same)} of {len(given)} weights as they are, and {len(resized)} tables resized')


def pretrain_in_python(images: Path) -> Path:
    """The call, shorter still."""
    import mmsimmim

    result = mmsimmim.pretrain(images, 'nuclei', arch='swin-atto', img_size=64, hours=0.01, batch_size=4)
    encoder = mmsimmim.load(result.files['backbone'])
    check(sum(weight.numel() for weight in encoder.parameters()) > 1e6, 'mmsimmim.load gives the encoder')
    return Path(result.files['backbone'])


def refuse(images: Path) -> None:
    """Mistakes are one sentence each."""
    for mistake in (['--data', 'nowhere'], ['--arch', 'swin-tinny'], ['--devices', '99'], ['--set', 'lr=fast'],
                    ['--epochs', '3', '--hours', '1']):
        words = [COMMAND, 'pretrain', '--data', str(images), '--out', 'refused', *mistake]
        done = subprocess.run(words, capture_output=True, text=True)
        lines = done.stderr.strip().splitlines()
        check(done.returncode in (1, 2) and len(lines) == 1 and 'Traceback' not in done.stderr, done.stderr.strip())
        check(not Path('refused').exists(), 'nothing is left of it')


def check_installation() -> None:
    """The package is the installed one, and each of its configs is found by its name."""
    from mmengine.config import Config
    from mmengine.hub import get_config

    import mmsimmim

    package = Path(mmsimmim.__file__).parent
    check(package.is_relative_to(sys.prefix), f'{package} is in the environment')
    configs = package / '.mim' / 'configs'
    names = [path.relative_to(configs).as_posix() for path in configs.rglob('*.py')]
    check(len(names) > 100, f'{len(names)} configs are installed')
    for name in names:
        found, _ = Config._get_cfg_path(f'mmsimmim::{name}', '')
        check(Path(found).samefile(configs / name), name, quiet=True)
    for folder in ('pretrain', 'cls', 'det', 'seg'):
        name = next(name for name in sorted(names) if name.startswith(f'{folder}/'))
        Path('base.py').write_text(f"_base_ = 'mmsimmim::{name}'\n")
        check(Config.fromfile('base.py').model == get_config(f'mmsimmim::{name}').model, f'mmsimmim::{name} is a base')


def run(arguments: list[str], log: str) -> None:
    """A program of the environment."""
    run_command([sys.executable, *arguments], log)


def run_command(words: list[str], log: str) -> None:
    """A command of the documentation, without what would lead it back to a checkout."""
    print('$', shlex.join(words), flush=True)
    words = [COMMAND if words[0] == 'mmsimmim' else words[0], *words[1:]]
    begin = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    with open(log, 'w') as file:
        status = subprocess.run(words, env=environment, stdout=file, stderr=file).returncode
    print(f'{time.monotonic() - begin:.0f} s', flush=True)
    if status:
        sys.exit('\n'.join([*Path(log).read_text().splitlines()[-30:], f'FAILED with {status}']))


def check_losses(work_dir: str, *names: str) -> None:
    """Each step is in MMEngine's log of numbers, with losses that are numbers."""
    scalars, = Path(work_dir).glob('*/vis_data/scalars.json')
    steps = [step for step in map(json.loads, scalars.read_text().splitlines()) if 'loss' in step]
    for name in names:
        values = [step[name] for step in steps]
        check(len(values) > 1 and all(map(math.isfinite, values)), f'{work_dir}: {name} is {values}')


def check(holds: bool, what: str, quiet: bool = False) -> None:
    if not holds:
        sys.exit(f'FAILED: {what}')
    if not quiet:
        print(f'holds: {what}', flush=True)


if __name__ == '__main__':
    main()
