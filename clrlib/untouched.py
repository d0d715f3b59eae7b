"""Try something on a model and its optimizer, and have everything back as it was."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader


@contextmanager
def untouched(*things: Any) -> Iterator[None]:
    """Whatever happens inside, Ctrl-C included, is undone at the end, bit for bit and in the same objects.

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
    modules = [module for thing in things if isinstance(thing, nn.Module) for module in thing.modules()]
    modes = [module.training for module in modules]
    contents = _Contents([part for thing in things for part in _parts(thing)])
    workers = [(loader, loader._iterator) for loader in things if isinstance(loader, DataLoader)]
    for loader, _ in workers:
        loader._iterator = None  # persistent workers carry their own random states on; inside, use others
    random_states = [*_random_states(things)]
    try:
        yield
    finally:
        contents.put_back()
        for module, training in zip(modules, modes, strict=True):
            module.training = training
        for loader, iterator in workers:
            loader._iterator = iterator
        for put_back, state in random_states:
            put_back(state)


def _parts(thing: Any) -> list[Any]:
    """The lists, dicts and sets in which a thing keeps what is put back."""
    if isinstance(thing, nn.Module):
        names = ("_parameters", "_buffers", "_non_persistent_buffers_set")
        return [getattr(module, name) for module in thing.modules() for name in names]
    if isinstance(thing, Optimizer):
        return [thing.state, thing.param_groups]
    return [vars(thing)] if hasattr(thing, "state_dict") else []


class _Contents:
    """What is in lists, dicts, sets and tensors, however nested, to be put back into these very objects.

    (`load_state_dict` would not do: it makes new objects and may cast them.)
    """

    def __init__(self, root: list[Any]) -> None:
        self.kept: dict[int, tuple[Any, Any]] = {}
        self._keep(root)

    def _keep(self, value: Any) -> None:
        if id(value) in self.kept:
            return
        if isinstance(value, Tensor):
            grad = value.grad if value.is_leaf else None
            self.kept[id(value)] = value, (value.detach().clone(), grad)
            self._keep(grad)
        elif isinstance(value, tuple):
            for part in value:
                self._keep(part)
        elif isinstance(value, Optimizer):  # within something that wraps it
            self._keep([value.state, value.param_groups])
        elif isinstance(value, (dict, list, set)):
            self.kept[id(value)] = value, value.copy()
            for part in value.values() if isinstance(value, dict) else value:
                self._keep(part)
        elif is_dataclass(value):  # such as what a schedule remembers
            self._keep(vars(value))

    @torch.no_grad()
    def put_back(self) -> None:
        for value, content in self.kept.values():
            if isinstance(value, Tensor):
                value.copy_(content[0])
                if value.is_leaf:
                    value.grad = content[1]
            elif isinstance(value, list):
                value[:] = content
            else:
                value.clear()
                value.update(content)


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
