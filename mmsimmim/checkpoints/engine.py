"""Apply the rules of a form, in either direction."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from ..errors import UserError
from .diagnose import describe_unknown
from .key_maps import READ, Form, Step
from .templates import fill, last_stage, match


class UnknownCheckpoint(UserError):
    """A state dict that holds no supported encoder, or unknown keys.

    Args:
        message (str): Why.
        strangers (Collection[str]): The unknown keys without which it would be a supported one. Defaults to ().
    """

    def __init__(self, message: str, strangers: Collection[str] = ()) -> None:
        super().__init__(message)
        self.strangers = strangers


class _Place(NamedTuple):
    """Where a key belongs: which of its step's sources it is, and what the step then writes."""

    step: Step
    index: int
    targets: tuple[str, ...]


def require_form(state_dict: dict[str, Tensor]) -> Form:
    """The form of a state dict: the first that knows every key.

    Raises:
        UnknownCheckpoint: If there is none; the message says what the dict seems to hold.
    """
    near_miss = None
    if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state_dict.items()):
        last = last_stage(state_dict)
        for form in READ:
            if all(_is_read(key, form, last) for key in state_dict) and _parameters(state_dict, form, last):
                return form
        near_miss = _near_miss(state_dict, last)
    raise UnknownCheckpoint('these parameters belong to no encoder that can be converted: '
                            + describe_unknown(state_dict, near_miss), near_miss[1] if near_miss else ())


def known_part(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the keys that keep it from being converted.

    Args:
        state_dict (dict[str, Tensor]): Parameters; not changed.

    Returns:
        dict[str, Tensor]: The same, or a new one if at least half of the keys are parameters of a supported
        encoder, and others are unknown.
    """
    try:
        require_form(state_dict)
    except UnknownCheckpoint as error:
        return {key: tensor for key, tensor in state_dict.items() if key not in error.strangers}
    return state_dict


def _parameters(keys: Iterable[str], form: Form, last: int) -> dict[str, '_Place']:
    places = {key: _place(key, form.reading, last) for key in keys}
    return {key: place for key, place in places.items() if place is not None}


def _near_miss(keys: Collection[str], last: int) -> tuple[str, list[str]] | None:
    """The form that half of the keys are parameters of, or more, and the other keys."""
    form = max(READ, key=lambda form: len(_parameters(keys, form, last)))
    if 2 * len(_parameters(keys, form, last)) < len(keys):
        return None
    return form.title, [key for key in keys if not _is_read(key, form, last)]


def unread(keys: Collection[str], form: Form) -> list[str]:
    """Names that :func:`read_form` leaves out: buffers, and other parts of a model that are ignored."""
    parameters = _parameters(keys, form, last_stage(keys))
    return [key for key in keys if key not in parameters]


def other_parts(keys: Collection[str], form: Form) -> tuple[str, ...]:
    """Names of the parts of a model that are ignored."""
    others = [key for key in unread(keys, form) if key.startswith(form.others)]
    return tuple(dict.fromkeys(key.split('.')[0] for key in others))


def read_form(state_dict: dict[str, Tensor], form: Form) -> dict[str, Tensor]:
    """Convert parameters to our full names and layout; buffers and other parts are left out.

    Args:
        state_dict (dict[str, Tensor]): In the form.
        form (Form): What :func:`require_form` found.

    Returns:
        dict[str, Tensor]: New dict. Tensors whose layout stays are shared.

    Raises:
        UnknownCheckpoint: If some of the tensors that are joined here are missing, or a parameter is there twice.
    """
    return _apply(state_dict, _parameters(state_dict, form, last_stage(state_dict)))


def without_place_in(state_dict: dict[str, Tensor], form: Form) -> list[str]:
    """Our full names that a form has no place for, and does not leave out either."""
    last = last_stage(state_dict)
    return [key for key in state_dict
            if not _fits_any(key, form.lacks, last) and _place(key, form.writing, last) is None]


def write_form(state_dict: dict[str, Tensor], form: Form) -> dict[str, Tensor]:
    """The reverse of :func:`read_form`.

    Args:
        state_dict (dict[str, Tensor]): Our full names and layout, none of them without_place_in.
        form (Form): The form wanted.

    Returns:
        dict[str, Tensor]: New dict without what the form lacks.
    """
    last = last_stage(state_dict)
    wanted = [key for key in state_dict if not _fits_any(key, form.lacks, last)]
    return _apply(state_dict, {key: _place(key, form.writing, last) for key in wanted})


def _apply(state_dict: dict[str, Tensor], places: dict[str, _Place]) -> dict[str, Tensor]:
    result, waiting = {}, {}
    for key, (step, index, targets) in places.items():
        parts = waiting.setdefault((step.sources, targets), {})
        parts[index] = key
        if len(parts) < len(step.sources):
            continue
        if any(target in result for target in targets):
            raise UnknownCheckpoint(f'two parameters stand for the same one; the second is {key!r}')
        tensors = [state_dict[parts[i]] for i in range(len(parts))]
        try:
            result.update(zip(targets, step.change(*tensors)))
        except (RuntimeError, IndexError) as error:
            shapes = ', '.join(str(tuple(tensor.shape)) for tensor in tensors)
            raise UnknownCheckpoint(f'{", ".join(parts.values())} cannot have the shape {shapes}: {error}') from error
        del waiting[step.sources, targets]
    if waiting:
        parts = next(iter(waiting.values()))
        raise UnknownCheckpoint(f'{", ".join(parts.values())} cannot be converted alone: query, key and value are one '
                                'parameter here, and of these three some are missing')
    return result


def _is_read(key: str, form: Form, last: int) -> bool:
    return (_place(key, form.reading, last) is not None or _fits_any(key, form.read_over, last)
            or key.startswith(form.others))


def _place(key: str, steps: Sequence[Step], last: int) -> _Place | None:
    for step in steps:
        for index, source in enumerate(step.sources):
            parts = match(key, source, last)
            if parts is not None:
                return _Place(step, index, tuple(fill(target, parts, last) for target in step.targets))
    return None


def _fits_any(key: str, templates: Iterable[str], last: int) -> bool:
    return any(match(key, template, last) is not None for template in templates)
