"""List the configs that came with the package, show one, or copy one out of it as a single file.

Examples:
    mmsimmim configs list swin-base coco
    mmsimmim configs show pretrain/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py
    mmsimmim configs show mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py --key train_pipeline
    mmsimmim configs copy simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py my_pretraining.py
"""

import argparse
import os
from pathlib import Path

from .common.mistakes import report_mistakes

HEADER = """\
# {}, with all that it inherits.
# Every value stands where it is used: a variable at the top, such as data_root, is not read again below.
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest='action', required=True, metavar='list | show | copy')
    listing = actions.add_parser('list', help='the names of the configs')
    listing.add_argument('words', nargs='*', help='only those whose folder and name contain all of these')
    show = actions.add_parser('show', help='print a config, with all that it inherits')
    copy = actions.add_parser('copy', help='write a config, with all that it inherits, into a file to edit')
    for action in (show, copy):
        action.add_argument('config', help='a path, PACKAGE::FOLDER/NAME.py, or a name from the list')
    show.add_argument('--key', help='only this part: model, model.backbone, train_dataloader.dataset.pipeline, ...')
    copy.add_argument('out', type=Path, help='the file, or a folder for it')
    copy.add_argument('--force', action='store_true', help='write over a file of that name')
    return parser.parse_args()


@report_mistakes
def main() -> None:
    args = parse_args()
    if args.action == 'list':
        print('\n'.join(matching(args.words)))
    elif args.action == 'show':
        print(resolved_text(args.config, args.key))
    else:
        print(copy_out(args.config, args.out, args.force))


def matching(words: list[str]) -> list[str]:
    """Names of shipped configs, as ``FOLDER/NAME.py``, that contain all of some words.

    Raises:
        UserError: There are none.
    """
    from ..errors import UserError
    names = [name for name in shipped_names() if all(word.lower() in name.lower() for word in words)]
    if not names:
        raise UserError(f'No config has all of {", ".join(words)} in its name. Give fewer words, or none: then all are '
                        'listed.')
    return names


def shipped_names() -> list[str]:
    """The configs that came with the package, as paths in their folder."""
    from ..shipped import configs_folder
    from .config.index import find_configs
    folder = configs_folder()
    return [path.relative_to(folder).as_posix() for path in find_configs(folder)]


def resolved_text(config: str, key: str | None = None) -> str:
    """A config as the text of one file without ``_base_``.

    Args:
        config (str): What :func:`find` takes.
        key (str | None): Only what stands there. Defaults to None: all.

    Raises:
        UserError: There is no such config or key, or it cannot be read.
    """
    from mmengine.config import Config

    from ..errors import UserError
    from .config.loading import read_config
    from .config.options import MISSING, value_at
    cfg = read_config(find(config))
    if key is not None:
        value = value_at(cfg, key)
        if value is MISSING:
            raise UserError(f'{config} has no {key}. At its top are {", ".join(sorted(cfg))}.')
        cfg = Config({key.rsplit('.', 1)[-1]: value})
    return cfg.pretty_text.strip()


def find(config: str) -> str:
    """The path of a config.

    Args:
        config (str): A path, ``PACKAGE::FOLDER/NAME.py``, ``FOLDER/NAME.py`` of a shipped one, or its ``NAME.py``
            alone, where ``.py`` may be left out.

    Returns:
        str: The path; of a name that is unknown the same string, which reading then says more of.

    Raises:
        UserError: ``PACKAGE`` is not installed or has no such config, or two shipped ones are called that.
    """
    from ..errors import UserError
    from ..shipped import configs_folder
    from .config.loading import find_config
    if '::' in config or os.path.exists(config):
        return find_config(config)
    wanted = config if config.endswith('.py') else f'{config}.py'
    names = [name for name in shipped_names() if name == wanted or name.endswith(f'/{wanted}')]
    if len(names) > 1:
        raise UserError(f'{config} is the name of several configs: {", ".join(names)}. Give one of these.')
    return str(configs_folder() / names[0]) if names else config


def copy_out(config: str, out: Path, force: bool = False) -> Path:
    """Write a config as one file without ``_base_``.

    Args:
        config (str): What :func:`find` takes.
        out (Path): The file, or an existing folder for it.
        force (bool): Replace a file that is there. Defaults to False.

    Returns:
        Path: The file.

    Raises:
        UserError: See :func:`resolved_text`; or the file is there already, or cannot be written.
    """
    from ..checkpoints.storage import writing
    from ..errors import UserError
    text = resolved_text(config)
    if out.is_dir():
        out = out / Path(find(config)).name
    if out.exists() and not force:
        raise UserError(f'{out} is there already. Give another name, or --force to write over it.')
    temporary = f'{out}.tmp'
    with writing(str(out), temporary):
        out.parent.mkdir(parents=True, exist_ok=True)
        Path(temporary).write_text(f'{HEADER.format(config)}\n{text}\n', encoding='utf-8')
        os.replace(temporary, out)
    return out


if __name__ == '__main__':
    main()
