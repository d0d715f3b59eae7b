"""The finders that are compared: each gets a task and a seed, and gives rates to train with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch.optim import Adam, AdamW

from clrlib import lr_range_test
from lab.bench.which_finder import peers
from lab.bench.which_finder.tasks import Task

Rates = tuple[float, ...]  # none; one, to stay fixed; two, the bounds of triangular2
CLR, FIXED = "clrlib, triangular2", "clrlib, fixed"
USUAL = "Adam 0.001, SGD 0.1"
FASTAI = (*(f"fastai, {name}" for name in peers.FASTAI), *(f"fastai, {name}, triangular2" for name in peers.CYCLED))


@dataclass(frozen=True)
class Finder:
    """run(task, seed) gives each contender's rates, or the reason why it gives none.

    packages: whose versions count. modules: what it imports, which takes none of its time.
    """

    contenders: tuple[str, ...]
    run: Callable[[Task, int], Mapping[str, Rates | str]]
    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def clrlib(task: Task, seed: int) -> dict[str, Rates | str]:
    """clrlib's range test as its README calls it, without an end_lr. The fixed rate is the middle of its bounds."""
    model, optimizer = task.make(seed, lr=1e-3)
    metric = "loss" if task.regression else "accuracy"
    test = lr_range_test(model, optimizer, task.loss, task.loader(seed), task.heldout(), iterations=200, metric=metric)
    bounds = test.bounds()
    if bounds.base_lr is None or bounds.max_lr is None:
        return {CLR: bounds.reason, FIXED: bounds.reason}
    return {CLR: (bounds.base_lr, bounds.max_lr), FIXED: ((bounds.base_lr + bounds.max_lr) / 2,)}


def usual(task: Task, _: int) -> dict[str, Rates | str]:
    """Usual first choices: 0.001 for Adam and AdamW, 0.1 for SGD with and without momentum."""
    return {USUAL: (0.001,) if task.optimizer in (Adam, AdamW) else (0.1,)}


FINDERS = (
    Finder((CLR, FIXED), clrlib),
    Finder(FASTAI, peers.fastai, ("fastai",), ("fastai.callback.schedule",)),
    Finder(("torch-lr-finder",), peers.torch_lr_finder, ("torch-lr-finder",), ("torch_lr_finder",)),
    Finder(("Lightning",), peers.lightning, ("lightning",), ("lightning.pytorch.tuner",)),
    Finder(("Ignite",), peers.ignite, ("pytorch-ignite",), ("ignite.handlers",)),
    Finder((USUAL,), usual),
)
CONTENDERS = tuple(name for finder in FINDERS for name in finder.contenders)
