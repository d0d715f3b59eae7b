"""The other libraries' finders, called as their documentation does: 100 iterations, their own limits and suggestion.

Each gets the task's own model, torch optimizer, loss and loader. What a finder suggests is taken as it says it, also
where it pairs a loss with another step's rate.
"""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import torch

from lab.bench.which_finder.tasks import Task

ITERATIONS = 100
FASTAI = ("valley", "slide", "steep", "minimum")
CYCLED = ("valley", "minimum")  # also as the max_lr of triangular2, to tell the finder from the schedule


def load(modules: Iterable[str]) -> None:
    """Import what a finder needs, without its warnings."""
    with _silent():
        for module in modules:
            import_module(module)


def fastai(task: Task, seed: int) -> dict[str, Any]:
    """Learner.lr_find() with all four of its suggestions; from 1e-7 to 10.

    Two of them also as max_lr, with a quarter as base_lr (the paper's rule of thumb).
    """
    from fastai.callback import schedule
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    def wrapped(parameters: Any, lr: float, **_: Any) -> Any:
        return OptimWrapper(parameters, task.optimizer, lr=lr)

    model, _ = task.make(seed, lr=1e-3)
    loader = task.loader(seed)
    with tempfile.TemporaryDirectory() as folder:
        loaders = DataLoaders(loader, loader, device="cpu")
        learner = Learner(loaders, model, loss_func=task.loss, opt_func=wrapped, path=folder)
        with learner.no_bar(), _silent():
            rules = tuple(getattr(schedule, name) for name in FASTAI)
            suggested = learner.lr_find(show_plot=False, suggest_funcs=rules)
    rates = {name: float(rate) for name, rate in zip(FASTAI, suggested, strict=True)}
    fixed = {f"fastai, {name}": (rate,) for name, rate in rates.items()}
    return fixed | {f"fastai, {name}, triangular2": (rates[name] / 4, rates[name]) for name in CYCLED}


def torch_lr_finder(task: Task, seed: int) -> dict[str, Any]:
    """range_test and the steepest gradient of plot(); from 1e-7 to 100, as its README has it."""
    with _silent():
        from matplotlib.figure import Figure
        from torch_lr_finder import LRFinder

        model, optimizer = task.make(seed, lr=1e-7)
        finder = LRFinder(model, optimizer, task.loss, device="cpu")
        finder.range_test(task.loader(seed), end_lr=100, num_iter=ITERATIONS)
        _, rate = finder.plot(ax=Figure().add_subplot())
    return {"torch-lr-finder": (float(rate),)}


def lightning(task: Task, seed: int) -> dict[str, Any]:
    """Tuner.lr_find(); from 1e-8 to 1. Without max_epochs=-1 it would end with the Trainer's epochs."""
    with _silent():
        import lightning
        from lightning.pytorch.tuner.tuning import Tuner

        class Module(lightning.LightningModule):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.net, self.lr = task.make(seed, lr=1e-3)[0], 1e-3

            def training_step(self, batch: Any, _: int) -> torch.Tensor:
                return task.loss(self.net(batch[0]), batch[1])

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return task.optimizer(self.net.parameters(), lr=self.lr)

        quiet: Any = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        with tempfile.TemporaryDirectory() as folder:
            trainer = lightning.Trainer(
                max_epochs=-1, accelerator="cpu", enable_model_summary=False, default_root_dir=folder, **quiet
            )
            rate = Tuner(trainer).lr_find(Module(), task.loader(seed)).suggestion()
    return {"Lightning": (float(rate),) if rate is not None else "too few losses for a suggestion"}


def ignite(task: Task, seed: int) -> dict[str, Any]:
    """FastaiLRFinder.lr_suggestion(); from 1e-7, which its optimizer has, to 10."""
    with _silent():
        from ignite.engine import create_supervised_trainer
        from ignite.handlers import FastaiLRFinder

        model, optimizer = task.make(seed, lr=1e-7)
        loader = task.loader(seed)
        trainer = create_supervised_trainer(model, optimizer, task.loss)
        finder = FastaiLRFinder()
        state = {"model": model, "optimizer": optimizer}
        with finder.attach(trainer, to_save=state, num_iter=ITERATIONS) as attached:
            attached.run(loader, max_epochs=ITERATIONS // len(loader) + 1)
        return {"Ignite": (float(finder.lr_suggestion()),)}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep bars, lines and warnings of a library off the terminal."""
    chatty = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "ignite")]
    levels = [log.level for log in chatty]
    for log in chatty:
        log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        for log, level in zip(chatty, levels, strict=True):
            log.setLevel(level)
