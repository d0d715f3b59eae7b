"""Try something on a model and its optimizer, and have everything back as it was."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
PLAIN = (int, float, complex, str, bytes, type(None))
DATA = ("dataset", "data_source")  # may be large, and is not the sampler's


@contextmanager
def untouched(*things: Any) -> Iterator[None]:
    """Undo whatever happens inside, Ctrl-C included, bit for bit and in the same objects.

    Put back: the random states of Python, numpy and torch; and of `things` the parameters, buffers, gradients and the
    train or eval mode of each module; the attributes of samplers, optimizers and what has a state_dict (GradScaler,
    schedule), with whatever of these is in them; the generators of loaders, data sets and other iterables.
    Not put back: other attributes of modules, of data sets and of iterables, iterators.
    Inside there are no gradients at first. Costs a copy of the models and of the optimizers' states.

    >>> model = nn.Linear(1, 1)
    >>> before = model.weight.item()
    >>> with untouched(model, torch.optim.SGD(model.parameters())):
    ...     _ = nn.init.constant_(model.weight, 7.0)
    >>> model.weight.item() == before
    True
    """
    seen: set[int] = set()
    with ExitStack() as undo:
        torch.clear_autocast_cache()  # it holds weights as they were before, and after the test as they were in it
        undo.callback(torch.clear_autocast_cache)
        if torch.backends.mps.is_available():
            undo.callback(torch.mps.set_rng_state, torch.mps.get_rng_state())
        everywhere = random.getstate.__self__, np.random.get_state.__self__, torch.default_generator  # type: ignore[attr-defined]
        for thing in (*everywhere, *torch.cuda.default_generators, *things):
            if isinstance(thing, DataLoader):  # persistent workers carry their own random states on; inside, use others
                undo.callback(setattr, thing, "_iterator", thing._iterator)
                thing._iterator = None
            _save(thing, undo, seen)
            for holder in (thing, getattr(thing, "dataset", None)):
                for name, part in vars(holder).items() if hasattr(holder, "__dict__") else ():
                    if isinstance(part, GENERATORS) or name in ("sampler", "batch_sampler"):
                        _save(part, undo, seen, holder=True)
        yield


def _save(value: Any, undo: ExitStack, seen: set[int], holder: bool = False) -> None:
    """Copy what a thing holds, however nested, to be put back into these very objects; a holder's attributes are saved.

    (`load_state_dict` would not do: it makes new objects and may cast them.)
    """
    if isinstance(value, PLAIN) or id(value) in seen:
        return
    seen.add(id(value))  # no other object gets this id: the copies in `undo` keep this one alive
    parts: list[Any] = []
    if isinstance(value, Tensor):
        grad = value.grad if value.is_leaf else None
        undo.callback(_put_back, value, value.detach().clone(), grad)
        if grad is not None:
            if grad.layout == torch.strided and grad.untyped_storage().nbytes() > grad.nbytes:
                parts = [grad]  # a view into a bucket, which others write to
            value.grad = None  # nothing inside writes to it: a copy is not needed
    elif isinstance(value, (dict, list, set)):
        parts = [*(value.values() if isinstance(value, dict) else value)]
        undo.callback(_put_back, value, value.copy())
    elif isinstance(value, tuple):
        parts = [*value]
    elif isinstance(value, np.ndarray):
        undo.callback(np.copyto, value, value.copy())
    elif isinstance(value, (torch.Generator, np.random.RandomState)):
        undo.callback(value.set_state, value.get_state())  # type: ignore[arg-type]
    elif isinstance(value, np.random.Generator):
        undo.callback(setattr, value.bit_generator, "state", value.bit_generator.state)
    elif isinstance(value, random.Random):
        undo.callback(value.setstate, value.getstate())
    elif isinstance(value, nn.Module):
        for module in value.modules():
            undo.callback(setattr, module, "training", module.training)
            if not isinstance(module, torch.jit.ScriptModule):  # whose tables are views
                parts += [module._parameters, module._buffers, module._non_persistent_buffers_set]
        parts += [*value.parameters(), *value.buffers()]
    elif (holder or isinstance(value, Sampler) or hasattr(value, "state_dict")) and hasattr(value, "__dict__"):
        undo.callback(_put_back, vars(value), dict(vars(value)))
        for name, part in vars(value).items():
            if name not in DATA and not isinstance(part, type):
                _save(part, undo, seen, holder="sampler" in name)
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
