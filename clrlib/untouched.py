"""Try something on a model and its optimizer, and have everything back as it was."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@contextmanager
def untouched(model: nn.Module, optimizer: Optimizer, *batches: Iterable[Any]) -> Iterator[None]:
    """Whatever happens inside, Ctrl-C included, is undone at the end, bit for bit and in the same objects.

    Put back: parameters, buffers, gradients, the train or eval mode of each module, the optimizer's state and groups,
    the random states of Python, numpy and torch, and those of each DataLoader in `batches` and its sampler.
    Not put back: other attributes of modules, data sets with a memory, iterators in `batches`.
    Costs a copy of the model and of the optimizer's state.

    >>> model = nn.Linear(1, 1)
    >>> before = model.weight.item()
    >>> with untouched(model, torch.optim.SGD(model.parameters())):
    ...     _ = nn.init.constant_(model.weight, 7.0)
    >>> model.weight.item() == before
    True
    """
    modules = [*model.modules()]
    modes = [module.training for module in modules]
    tensors = [(module._parameters, module._buffers, module._non_persistent_buffers_set) for module in modules]
    contents = _Contents([*(part for parts in tensors for part in parts), optimizer.state, optimizer.param_groups])
    workers = [(loader, loader._iterator) for loader in batches if isinstance(loader, torch.utils.data.DataLoader)]
    for loader, _ in workers:
        loader._iterator = None  # persistent workers carry their own random states on; inside, use others
    put_back_random_states = _random_states(batches)
    try:
        yield
    finally:
        contents.put_back()
        for module, training in zip(modules, modes, strict=True):
            module.training = training
        for loader, iterator in workers:
            loader._iterator = iterator
        put_back_random_states()


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
        elif isinstance(value, (dict, list, set)):
            self.kept[id(value)] = value, value.copy()
            for part in value.values() if isinstance(value, dict) else value:
                self._keep(part)

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


def _random_states(batches: Iterable[Any]) -> Callable[[], None]:
    """Keep all random states; the function that is returned puts them back."""
    generators: list[tuple[torch.Generator, Tensor]] = []
    for loader in batches:
        inner = getattr(loader, "batch_sampler", None)
        for holder in (loader, getattr(loader, "sampler", None), inner, getattr(inner, "sampler", None)):
            generator = getattr(holder, "generator", None)
            if isinstance(generator, torch.Generator):
                generators.append((generator, generator.get_state()))
    python, legacy_numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(legacy_numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
        for generator, state in generators:
            generator.set_state(state)

    return put_back
