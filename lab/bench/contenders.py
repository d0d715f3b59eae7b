"""The loops that are timed: a user's and ours. Each contender returns a function that runs one iteration.

The images are random numbers of CIFAR-10's size: their content does not change the cost.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from clrlib import Triangular2
from lab.data.image_sets import ImageSet
from lab.experiments.run import Run
from lab.training.device import keep_freed_memory, pick_device
from lab.training.loop import Training

Iteration = Callable[[int], None]
TRAIN, TEST = 50_000, 10_000
POLICY = Triangular2(base_lr=0.001, max_lr=0.006, step_size=2000)


def ours(precision: str, batch: int, net: str = "caffe_cifar10_full") -> Iteration:
    """One iteration of clrlib's trainer."""
    keep_freed_memory()
    run = Run("bench", POLICY, 1_000_000, data="bench", net=net, precision=precision, batch=batch)
    training = Training(run, images().to(pick_device()))
    training.test_scores(training.net)  # for the memory that it takes
    training.net.train()
    batches = training.images.batches(training.order, 0, run.iterations)

    def iteration(_: int) -> None:
        training.step(*next(batches))
        training.schedule.step()

    return iteration


def usual(workers: int, batch: int) -> Iteration:
    """The loop of a tutorial: DataLoader over torchvision's CIFAR-10, float32, torch's SGD and CyclicLR."""
    device = pick_device()
    net = plain_net().to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=0.004)
    scheduler = torch.optim.lr_scheduler.CyclicLR(
        optimizer, POLICY.base_lr, POLICY.max_lr, step_size_up=POLICY.step_size, mode="triangular2"
    )
    batches = endless(usual_loader(workers, batch))

    def iteration(t: int) -> None:
        inputs, targets = next(batches)
        loss = F.cross_entropy(net(inputs.to(device)), targets.to(device))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        scheduler.step()

    return iteration


def usual_loader(workers: int, batch: int = 100) -> "DataLoader[Any]":
    """A shuffled DataLoader as in torchvision's examples."""
    from torchvision import transforms  # here: it takes as long to import as torch

    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))]
    )
    return DataLoader(_random_cifar10(transform), batch_size=batch, shuffle=True, num_workers=workers)


def endless(loader: "DataLoader[Any]") -> Iterator[Any]:
    while True:
        yield from loader


def _random_cifar10(transform: Any) -> Any:
    """torchvision's data set, with random pictures in place of the archive."""
    from torchvision.datasets import CIFAR10

    made = CIFAR10.__new__(CIFAR10)
    made.data = images().train_images.permute(0, 2, 3, 1).contiguous().numpy()
    made.targets = images().train_labels.tolist()
    made.transform, made.target_transform = transform, None
    return made


class _PlainLRN(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / (1 + 5e-5 * F.avg_pool2d(x * x, 3, stride=1, padding=1)) ** 0.75


def plain_net() -> nn.Module:
    """Caffe's cifar10_full from torch's own layers."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.ReLU(),
        _PlainLRN(),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        _PlainLRN(),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 10),
    )


@cache
def images() -> ImageSet:
    """Random pictures in CIFAR-10's numbers and size."""
    random = np.random.default_rng(0)
    train, test = (torch.from_numpy(random.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)) for n in (TRAIN, TEST))
    train_labels, test_labels = (torch.from_numpy(random.integers(0, 10, n)) for n in (TRAIN, TEST))
    classes = tuple("0123456789")
    return ImageSet("bench", "random pictures", classes, train, train_labels, test, test_labels, "0" * 64, "drawn")
