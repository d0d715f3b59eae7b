"""Try something on a model and its optimizer, and have everything back as it was."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader


@contextmanager
def untouched(*things: Any) -> Iterator[None]:
    """Undo whatever happens inside, Ctrl-C included, bit for bit and in the same objects.

    Put back: the random states of Python, numpy and torch; and of `things` the parameters, buffers, gradients and the
    train or eval mode of each module, the optimizers' states and groups, the random states of DataLoaders and their
    samplers and of torch Generators, and the attributes of what else has a state_dict (a GradScaler, a schedule).
    Not put back: other attributes of modules, data sets with a memory, iterators.
    Costs a copy of the models and of the optimizers' states.

    >>> model = nn.Linear(1, 1)
    >>> before = model.weight.item()
    >>> with untouched(model, torch.optim.SGD(model.parameters())):
    ...     _ = nn.init.constant_(model.weight, 7.0)
    >>> model.weight.item() == before
    True
    """
    with ExitStack() as undo:
        for put_back, state in _random_states(things):
            undo.callback(put_back, state)
        seen: set[int] = set()
        for thing in things:
            if isinstance(thing, DataLoader):  # persistent workers carry their own random states on; inside, use others
                undo.callback(setattr, thing, "_iterator", thing._iterator)
                thing._iterator = None
            for module in thing.modules() if isinstance(thing, nn.Module) else ():
                undo.callback(setattr, module, "training", module.training)
            if hasattr(thing, "state_dict"):
                _save(thing, undo, seen)
        yield


def _save(value: Any, undo: ExitStack, seen: set[int]) -> None:
    """Copy the tensors, lists, dicts and sets in a thing, however nested, to be put back into these very objects.

    (`load_state_dict` would not do: it makes new objects and may cast them.)
    """
    parts: Iterable[Any] = ()
    if id(value) in seen:
        return
    if isinstance(value, Tensor):
        grad = value.grad if value.is_leaf else None
        parts = (grad,)
        undo.callback(_put_back, value, value.detach().clone(), grad)
    elif isinstance(value, (dict, list, set)):
        parts = value.values() if isinstance(value, dict) else value
        undo.callback(_put_back, value, value.copy())
    elif isinstance(value, tuple):
        parts = value
    elif isinstance(value, nn.Module):
        names = ("_parameters", "_buffers", "_non_persistent_buffers_set")
        parts = [getattr(module, name) for module in value.modules() for name in names]
    elif isinstance(value, Optimizer):
        inner = [part for part in vars(value).values() if hasattr(part, "state_dict")]  # of an optimizer around another
        parts = (value.state, value.param_groups, getattr(value, "_clrlib_steps", None), inner)
    elif hasattr(value, "state_dict"):
        parts = (vars(value),)
    seen.add(id(value))  # no other object gets this id: the copies in `undo` keep this one alive
    for part in parts:
        _save(part, undo, seen)


@torch.no_grad()
def _put_back(value: Any, content: Any, grad: Tensor | None = None) -> None:
    if isinstance(value, Tensor):
        value.copy_(content)
        if value.is_leaf:
            value.grad = grad
    else:
        value.clear()
        value.extend(content) if isinstance(value, list) else value.update(content)


def _random_states(things: Iterable[Any]) -> Iterator[tuple[Callable[[Any], Any], Any]]:
    """All random states as they are now, each with the function that puts it back."""
    yield random.setstate, random.getstate()
    yield np.random.set_state, np.random.get_state()
    yield torch.set_rng_state, torch.get_rng_state()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        yield torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        yield torch.mps.set_rng_state, torch.mps.get_rng_state()
    for thing in things:
        inner = getattr(thing, "batch_sampler", None)
        holders = (thing, getattr(thing, "sampler", None), inner, getattr(inner, "sampler", None))
        for generator in (thing, *(getattr(holder, "generator", None) for holder in holders)):
            if isinstance(generator, torch.Generator):
                yield generator.set_state, generator.get_state()
