"""One training at a fixed rate, or by triangular2 between two bounds, and what it reaches on the test examples."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from clrlib import Fixed, Policy, ScheduleLR, Triangular2
from lab.bench.which_finder.tasks import Task


def policy(rates: Sequence[float], iterations: int) -> Policy:
    """One rate: fixed. Two: triangular2 between them, in two whole cycles.

    >>> policy([0.1], 8), policy([0.1, 0.4], 8)
    (Fixed(lr=0.1), Triangular2(base_lr=0.1, max_lr=0.4, step_size=2))
    """
    return Fixed(rates[0]) if len(rates) == 1 else Triangular2(rates[0], rates[1], iterations // 4)


def train(task: Task, seed: int, rates: Sequence[float]) -> float | None:
    """The metric on the test examples after the last iteration; None where the loss or the metric is not finite.

    All trainings of a seed start with the same weights and see the same batches.
    """
    model, optimizer = task.make(seed, lr=rates[0])
    schedule = ScheduleLR(optimizer, policy(rates, task.iterations))
    model.train()
    for inputs, targets in batches(task, seed):
        optimizer.zero_grad()
        loss = task.loss(model(inputs), targets)
        if not math.isfinite(loss.item()):
            return None
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    model.eval()
    inputs, targets = task.data().test
    with torch.no_grad():
        outputs = model(inputs)
    return task.metric(outputs, targets) if outputs.isfinite().all() else None


def batches(task: Task, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """A batch for each iteration: whole ones, in a new order each epoch."""
    inputs, targets = task.data().train
    drawn = torch.Generator().manual_seed(seed)
    each = len(targets) // task.batch
    for t in range(task.iterations):
        if t % each == 0:
            order = torch.randperm(len(targets), generator=drawn)
        batch = order[t % each * task.batch :][: task.batch]
        yield inputs[batch], targets[batch]
