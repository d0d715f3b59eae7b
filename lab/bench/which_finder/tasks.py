"""The tasks: data, model, optimizer and length of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from lab.bench.which_finder import data, nets
from lab.bench.which_finder.data import Data, Pair

SGD = torch.optim.SGD
MOMENTUM = partial(torch.optim.SGD, momentum=0.9)
ADAM = torch.optim.Adam
ADAMW = torch.optim.AdamW


@dataclass(frozen=True)
class Task:
    """One training, of `iterations` (a multiple of 4) with batches of `batch`; the metric is better the higher.

    regression: the loss is the squared error and the metric R², else cross entropy and accuracy.
    """

    name: str
    data: Callable[[], Data]
    net: Callable[[], nn.Module]
    optimizer: Callable[..., Optimizer]
    iterations: int
    batch: int = 32
    regression: bool = False

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs, targets) if self.regression else F.cross_entropy(outputs, targets)

    def metric(self, outputs: Tensor, targets: Tensor) -> float:
        """Accuracy or R², a fraction."""
        if self.regression:
            return float(1 - (outputs - targets).square().sum() / (targets - targets.mean()).square().sum())
        return float((outputs.argmax(1) == targets).float().mean())

    def chance(self) -> float:
        """The metric without learning: of the training examples' most frequent class, or of their mean."""
        if self.regression:
            return 0.0
        (_, labels), (_, asked) = self.data().train, self.data().test
        return float((asked == labels.mode().values).float().mean())

    def make(self, seed: int, lr: float) -> tuple[nn.Module, Optimizer]:
        """A new model with the seed's weights, and its optimizer."""
        torch.manual_seed(seed)
        model = self.net()
        return model, self.optimizer(model.parameters(), lr=lr)

    def loader(self, seed: int) -> DataLoader[tuple[Tensor, ...]]:
        """Shuffled batches of the training examples, for the finders."""
        drawn = torch.Generator().manual_seed(seed)
        pairs = TensorDataset(*self.data().train)
        return DataLoader(pairs, self.batch, shuffle=True, drop_last=True, generator=drawn)

    @property
    def grid(self) -> tuple[float, ...]:
        """Fixed rates by half-decades: from 0.0001 to 1 for Adam and AdamW, from 0.000316 to 10 for SGD."""
        first, last = (-4.0, 0.0) if self.optimizer in (ADAM, ADAMW) else (-3.5, 1.0)
        return tuple(float(f"{10**x:.3g}") for x in np.arange(first, last + 0.25, 0.5))

    def heldout(self) -> list[Pair]:
        """The examples that a finder may look at and no training uses, as one batch."""
        return [self.data().heldout]


DEVELOPMENT: tuple[Task, ...] = (  # the reading may be improved on these
    Task("digits-mlp-momentum", data.digits, partial(nets.mlp, 64, 10), MOMENTUM, 160),
    Task("digits-cnn-adam", data.digits, nets.digits_cnn, ADAM, 120, batch=16),
    Task("cifar-caffe-momentum", data.cifar10, nets.caffe, MOMENTUM, 100, batch=16),
    Task("cifar-batchnorm-sgd", data.cifar10, nets.batch_norm_cnn, SGD, 100, batch=16),
    Task("spirals-mlp-adam", data.spirals, partial(nets.mlp, 2, 2), ADAM, 240),
    Task("friedman-mlp-momentum", data.friedman, partial(nets.mlp, 10, 1), MOMENTUM, 160, regression=True),
    Task("docstrings-bag-adam", data.docstrings, nets.bag_of_words, ADAM, 160),
    Task("sequence-transformer-adamw", data.sequences, nets.Transformer, ADAMW, 120),
    Task("cancer-mlp-sgd", data.breast_cancer, partial(nets.mlp, 30, 2), SGD, 120, batch=16),
)
DEVELOPMENT += (  # unseen by the first reading, which lost on them; they served to improve the second
    Task("cifar-resnet8-momentum", data.cifar10, nets.resnet8, MOMENTUM, 100, batch=16),
    Task("digits-cnn-sgd", data.digits, nets.digits_cnn, SGD, 120, batch=16),
    Task("diabetes-mlp-adam", data.diabetes, partial(nets.mlp, 10, 1), ADAM, 120, batch=16, regression=True),
    Task("docstrings-bag-momentum", data.docstrings, nets.bag_of_words, MOMENTUM, 160),
    Task("wine-mlp-adamw", data.wine, partial(nets.mlp, 13, 3), ADAMW, 80, batch=16),
)
UNSEEN = (  # never run, read or tuned on before the final runs
    Task("hastie-mlp-momentum", data.hastie, partial(nets.mlp, 10, 2), MOMENTUM, 160),
    Task("letters-gru-adam", data.letters, nets.Gru, ADAM, 160),
    Task("animals-vgg-adamw", partial(data.cifar10, data.ANIMALS), nets.vgg, ADAMW, 100, batch=16),
    Task(
        "digits-autoencoder-momentum", data.digits_again, partial(nets.mlp, 64, 64, 16), MOMENTUM, 160, regression=True
    ),
    Task("digits-linear-sgd", data.digits, partial(nets.linear, 64, 10), SGD, 120, batch=16),
    Task("friedman3-mlp-adamw", data.friedman3, partial(nets.mlp, 4, 1), ADAMW, 160, regression=True),
)
ALL = (*DEVELOPMENT, *UNSEEN)


def named(names: Iterable[str]) -> list[Task]:
    """The tasks of these names, "development", "unseen" and "all" among them, in order.

    >>> [task.name for task in named(["wine-mlp-adamw", "digits-cnn-sgd"])], len(named(["all"]))
    (['digits-cnn-sgd', 'wine-mlp-adamw'], 20)
    """
    groups = {"development": DEVELOPMENT, "unseen": UNSEEN, "all": ALL, **{task.name: (task,) for task in ALL}}
    for name in names:
        if name not in groups:
            raise ValueError(f"task {name!r} is not known; give one of {', '.join(groups)}")
    chosen = {task.name for name in names for task in groups[name]}
    return [task for task in ALL if task.name in chosen]
