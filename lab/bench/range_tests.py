"""The LR range test of clrlib and of three other libraries: the same net, batch and number of iterations.

Each function runs one whole test, which is one iteration of the bench. The others record the training loss; ours also
evaluates 500 held-out images at 21 rates, and that time counts.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from clrlib import lr_range_test
from lab.bench.contenders import Iteration, images, plain_net, usual_loader
from lab.data.order import BatchOrder, generator
from lab.nets.caffe_cifar10 import CaffeCifar10Full
from lab.training.device import keep_freed_memory, pick_device
from lab.training.loop import precision
from lab.training.solvers import CaffeSGD

ITERATIONS, END_LR, HELD_OUT = 100, 0.02, 500


class _Trainer(nn.Module):
    """The net as clrlib's trainer runs it: channels-last, in the precision that is fast here."""

    def __init__(self, precision_name: str) -> None:
        super().__init__()
        net = CaffeCifar10Full(images().mean_image(), generator(0, "init"))
        self.net, self.precision = net.to(memory_format=torch.channels_last), precision_name

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        with precision(self.precision, inputs.device):
            scores: torch.Tensor = self.net(inputs).float()
        return scores


def ours(precision_name: str) -> Iteration:
    """clrlib.lr_range_test with the lab's net and batches."""
    keep_freed_memory()
    device = pick_device()
    model, everything = _Trainer(precision_name).to(device), images().to(device)
    order = BatchOrder(len(everything.train_labels), 100, 0, "once")

    class Batches:
        def __iter__(self) -> Any:
            for t in range(len(everything.train_labels) // 100):
                batch = order(t).to(device)
                yield everything.train_images[batch], everything.train_labels[batch]

    held_out = [(everything.test_images[:HELD_OUT], everything.test_labels[:HELD_OUT])]

    def test(_: int) -> None:
        optimizer = CaffeSGD(model.net.parameter_groups(0.004), lr=0.001)
        lr_range_test(
            model, optimizer, nn.CrossEntropyLoss(), Batches(), held_out, end_lr=END_LR, iterations=ITERATIONS
        )

    return test


def ours_on_the_usual_net() -> Iteration:
    """clrlib.lr_range_test under the others' conditions: torch's layers in float32, a DataLoader, SGD."""
    net, loader = plain_net().to(pick_device()), usual_loader(workers=0)
    held_out = [(images().test_images[:HELD_OUT].float() / 255, images().test_labels[:HELD_OUT])]

    def test(_: int) -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=0.004)
        lr_range_test(net, optimizer, nn.CrossEntropyLoss(), loader, held_out, end_lr=END_LR, iterations=ITERATIONS)

    return test


def torch_lr_finder() -> Iteration:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_lr_finder import LRFinder
    net, loader = plain_net(), usual_loader(workers=0)

    def test(_: int) -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-5, momentum=0.9, weight_decay=0.004)
        finder = LRFinder(net, optimizer, nn.CrossEntropyLoss(), device=pick_device())
        with contextlib.redirect_stdout(io.StringIO()):
            finder.range_test(loader, end_lr=END_LR, num_iter=ITERATIONS, step_mode="linear", diverge_th=1e9)
            finder.reset()

    return test


def fastai() -> Iteration:
    from fastai.callback import schedule  # noqa: F401  it gives Learner its lr_find
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import SGD

    device = pick_device()
    loader = usual_loader(workers=0)
    learner = Learner(
        DataLoaders(loader, loader, device=device),
        plain_net().to(device),
        loss_func=nn.CrossEntropyLoss(),
        opt_func=SGD,
    )

    def test(_: int) -> None:
        with learner.no_bar(), contextlib.redirect_stdout(io.StringIO()):
            learner.lr_find(end_lr=END_LR, num_it=ITERATIONS, stop_div=False, show_plot=False)

    return test


def lightning() -> Iteration:
    import lightning
    from lightning.pytorch.tuner.tuning import Tuner

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net, self.lr = plain_net(), 0.001

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9, weight_decay=0.004)

    loader = usual_loader(workers=0)

    def test(_: int) -> None:
        quiet: Any = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = lightning.Trainer(max_epochs=1, enable_model_summary=False, **quiet)
        Tuner(trainer).lr_find(
            Module(), loader, max_lr=END_LR, num_training=ITERATIONS, mode="linear", early_stop_threshold=None
        )

    return test


def installed_peers() -> dict[str, Callable[[], Iteration]]:
    """The other libraries' tests, by name, as far as those libraries are installed."""
    peers = {
        "torch-lr-finder": ("torch_lr_finder", torch_lr_finder),
        "fastai": ("fastai", fastai),
        "Lightning": ("lightning", lightning),
    }
    return {name: make for name, (package, make) in peers.items() if find_spec(package) is not None}
