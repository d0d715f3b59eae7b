"""The LR range test (section 3.3): one short training with a rising rate. How its curve is read: clrlib/reading.py."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from clrlib.curve import RangeTest
from clrlib.reading import Bounds
from clrlib.scheduler import rates, set_rates
from clrlib.sweep import lr_sweep, range_test_policy
from clrlib.untouched import untouched

__all__ = ["Bounds", "RangeTest", "lr_range_test", "lr_sweep", "range_test_policy"]

REUSABLE = "give a DataLoader or a list, which can be gone through again and again"


def lr_range_test(
    model: nn.Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Any, Any], Tensor],
    train_batches: Iterable[Any],
    heldout_batches: Iterable[Any] | None = None,
    *,
    start_lr: float = 0.0,
    end_lr: float,
    iterations: int,
    evaluate_every: int | None = None,
    spacing: str = "linear",
    metric: str | Callable[[Any, Any], Any] = "accuracy",
    lower_is_better: bool | None = None,
) -> RangeTest:
    """Train with a rate that rises in a straight line and measure the accuracy on the way (section 3.3, figure 3).

    Iteration t = 0, 1 ... uses the rate `range_test_policy(start_lr, end_lr, iterations)(t)`, times a group's "lr_mult"
    where it has one. Where no group has, groups of different rates keep their ratios and the highest uses that rate (to
    train so with `ScheduleLR`, give them their "lr_mult"). Afterwards model, optimizer, loaders and random states are
    as they were, see `untouched`. For batches or trainings of another kind there is `lr_sweep`.

    model: gives class scores (N, classes), or what loss_fn and metric take. It trains in train mode; where it already
        is in it, layers that were set to eval mode stay so.
    train_batches, heldout_batches: a DataLoader or list of pairs (input, target), gone through as often as needed; both
        are moved to the model's device. All held-out batches are used at each evaluation; without any, the training
        batch itself is measured, before its update.
    iterations: optimizer steps; several epochs' worth. evaluate_every: iterations between evaluations, also made after
        the first and the last one; iterations // 20 by default, 1 on the training batch. spacing: see `lr_sweep`.
    metric: "accuracy", "loss" (loss_fn's) or a function of (outputs, targets) that gives the mean over a batch.
    lower_is_better: of the metric; where it is not given, of "loss" alone.

    A training that diverges ends the test; the result keeps what was measured and says where in `stopped`.
    Raises ValueError for rates that do not rise, counts below 1, batches that run out or that are not such pairs.

    >>> _ = torch.manual_seed(0)
    >>> inputs = torch.randn(64, 2)
    >>> batches = [(inputs, (inputs[:, 0] > 0).long())]
    >>> model = nn.Linear(2, 2)
    >>> optimizer = torch.optim.SGD(model.parameters())
    >>> test = lr_range_test(model, optimizer, nn.CrossEntropyLoss(), batches, batches, end_lr=1.0, iterations=40)
    >>> test.lr.size, test.accuracy.size, test.lr[-1]
    (21, 21, np.float64(1.0))
    """
    measure = {"accuracy": _accuracy, "loss": loss_fn}.get(metric) if isinstance(metric, str) else metric
    if not callable(measure):
        raise ValueError(f'metric is {metric!r}; give "accuracy", "loss" or a function of (outputs, targets)')
    rates(optimizer, 0.0)  # refuses what is wrong before anything changes
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    batches = _again_and_again(train_batches)
    trained: Any = None

    def step(lr: float) -> float:
        nonlocal trained
        inputs, targets = _pair("train_batches", next(batches), device)
        set_rates(optimizer, lr)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = loss_fn(outputs, targets)
        value = loss.item()
        if heldout_batches is None:  # before the update
            with torch.no_grad():
                trained = value if metric == "loss" else measure(outputs, targets)
        if math.isfinite(value):
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return value

    def evaluate() -> Any:
        return trained if heldout_batches is None else _mean(measure, model, heldout_batches, device)

    with untouched(model, optimizer, train_batches, heldout_batches):
        _keep_ratios(optimizer)
        if not model.training:
            model.train()
        return lr_sweep(
            step,
            start_lr=start_lr,
            end_lr=end_lr,
            iterations=iterations,
            spacing=spacing,
            evaluate=evaluate,
            evaluate_every=1 if heldout_batches is None and evaluate_every is None else evaluate_every,
            metric=metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__),
            lower_is_better=lower_is_better,
        )


def _keep_ratios(optimizer: Optimizer) -> None:
    """Where no group has an "lr_mult", give each group its share of the highest rate."""
    highest = max(float(group["lr"]) for group in optimizer.param_groups)
    if highest > 0 and not any("lr_mult" in group for group in optimizer.param_groups):
        for group in optimizer.param_groups:
            group["lr_mult"] = float(group["lr"]) / highest


def _again_and_again(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, from the start again whenever they end; a pass without any, as of a used iterator, is an error."""
    some = True
    while some:
        some = False
        for batch in batches:
            some = True
            yield batch
    raise ValueError(f"train_batches gave no batch; {REUSABLE}")


def _pair(name: str, batch: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch)):
        raise ValueError(f"{name} gave a {type(batch).__name__} that is not a pair of tensors (input, target)")
    return batch[0].to(device), batch[1].to(device)


def _mean(measure: Callable[[Any, Any], Any], model: nn.Module, batches: Iterable[Any], device: torch.device) -> float:
    """The mean of a measure over the examples of all batches, in eval mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.no_grad():
        pairs = (_pair("heldout_batches", batch, device) for batch in batches)
        found = [(len(targets), float(measure(model(inputs), targets))) for inputs, targets in pairs]
    for module, training in modes:
        module.training = training
    if not found:
        raise ValueError(f"heldout_batches gave no batch; {REUSABLE}")
    return sum(n * value for n, value in found) / sum(n for n, _ in found)


def _accuracy(scores: Tensor, targets: Tensor) -> float:
    """Share of the targets that get the highest score; nan where a score is not finite."""
    if scores.shape[:1] + scores.shape[2:] != targets.shape:
        shapes = f"scores {tuple(scores.shape)} for targets {tuple(targets.shape)}"
        raise ValueError(f'the model gives {shapes}; give scores (N, classes) and class numbers (N,), or metric="loss"')
    right = (scores.argmax(1) == targets).sum().item()
    return right / targets.numel() if scores.isfinite().all() else math.nan
