"""Convert runs, policies and records to and from JSON by cattrs, each value of exactly its declared type."""

from collections.abc import Callable
from typing import Any, NotRequired, TypedDict, TypeVar

from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.v import format_exception

import clrlib
from clrlib import Function, Policy, Stages

T = TypeVar("T")
CONVERTER = Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})


def write(value: Any) -> Any:
    """Plain dicts, lists and numbers; a policy as {"name": class, then its numbers}, stages as [iterations, policy].

    Raises TypeError for a Function, whose code cannot be written to a record.

    >>> write(clrlib.Fixed(0.1))
    {'name': 'Fixed', 'lr': 0.1}
    """
    return CONVERTER.unstructure(value)


def read(content: Any, kind: type[T]) -> T:
    """The inverse of write, for a known class. Raises ValueError with the fault and its place ($ is the root).

    >>> read({"name": "Fixed", "lr": 0.1}, clrlib.Policy)
    Fixed(lr=0.1)
    >>> read({"lr": "high"}, clrlib.Fixed)
    Traceback (most recent call last):
    ValueError: 'high' is not of type float @ $.lr
    """
    try:
        return CONVERTER.structure(content, kind)
    except BaseValidationError as error:
        raise ValueError(transform_error(error, format_exception=_sentence)[0]) from error


def _sentence(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, ValueError | TypeError) else format_exception(error, kind)


def _same(value: Any, kind: type) -> Any:
    """Refuse a value of another type, which cattrs would convert. An int may stand for a float and stays an int."""
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _is_policy(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Policy)


POLICIES: dict[str, type[Policy]] = {
    name: kind for name, kind in vars(clrlib).items() if _is_policy(kind) and kind not in (Policy, Function)
}


def _refuse(policy: Function) -> None:
    raise TypeError(f"{policy} cannot be written into a record; give a policy that is made of numbers")


def _writer(kind: type[Policy]) -> Callable[[Policy], dict[str, Any]]:
    """The function that writes policies of a class. Stages leave out restart where it is true, the default."""
    if kind is Policy:  # declared so: written as what it is
        return write
    numbers = make_dict_unstructure_fn(kind, CONVERTER, restart=override(omit_if_default=True))
    return lambda policy: {"name": kind.__name__, **numbers(policy)}


def _read_policy(content: Any, _: Any) -> Policy:
    name = content.get("name") if isinstance(content, dict) else content
    if not isinstance(content, dict) or not isinstance(name, str) or name not in POLICIES:
        raise ValueError(f"policy {name!r} is not one of clrlib; was the record made by a newer clrlib?")
    return CONVERTER.structure({k: v for k, v in content.items() if k != "name"}, POLICIES[name])


class _Stages(TypedDict):
    """The fields of Stages, whose constructor takes its stages one by one."""

    stages: list[tuple[int, Policy]]
    restart: NotRequired[bool]


def _read_stages(content: Any, _: Any) -> Stages:
    fields = CONVERTER.structure(content, _Stages)
    return Stages(*fields["stages"], restart=fields.get("restart", True))


for _kind in (bool, int, float, str):
    CONVERTER.register_structure_hook(_kind, _same)
CONVERTER.register_unstructure_hook_factory(_is_policy, _writer)
CONVERTER.register_unstructure_hook(Function, _refuse)
CONVERTER.register_structure_hook_func(lambda kind: kind is Policy, _read_policy)
CONVERTER.register_structure_hook(Stages, _read_stages)
CONVERTER.register_structure_hook(
    float | Policy, lambda value, _: CONVERTER.structure(value, Policy if isinstance(value, dict) else float)
)
