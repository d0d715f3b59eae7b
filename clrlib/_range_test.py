"""The LR range test (section 3.3): one short training with a rising rate. How its curve is read: _reading.py."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from clrlib import _checks as checks
from clrlib._curve import RangeTest
from clrlib._reading import break_of
from clrlib._scheduler import groups_of, scaled, write
from clrlib._schedules import Triangular
from clrlib._untouched import untouched

FIRST = 10  # iterations, whose losses say how large a loss is here
DIVERGES = 3.0  # times that size above the best loss ...
RUNNING = 3  # ... for so many iterations running; a single one may be a bad batch
SEARCH = 1e-6, 100.0, 200  # first and last rate and iterations of the pass that looks for the rate of the break
REUSABLE = "give a DataLoader or a list, which can be gone through again and again"


def rising_rates(start_lr: float, end_lr: float, iterations: int, spacing: str) -> list[float]:
    """The rate of each iteration of a range test, by equal steps ("linear") or equal factors ("exponential").

    >>> rising_rates(0.0, 0.02, 5, "linear"), rising_rates(0.001, 1.0, 4, "exponential")
    ([0.0, 0.005, 0.01, 0.015, 0.02], [0.001, 0.01, 0.1, 1.0])
    """
    n = checks.count("iterations", iterations, least=2)
    if (start := checks.learning_rate("start_lr", start_lr)) >= (end := checks.learning_rate("end_lr", end_lr)):
        raise ValueError(f"start_lr {start_lr!r} is not below end_lr {end_lr!r}; the test needs a rising rate")
    if spacing not in ("linear", "exponential"):
        raise ValueError(f'spacing is {spacing!r}; give "linear" or "exponential"')
    if spacing == "exponential" and start == 0:
        raise ValueError("start_lr is 0; an exponential sweep needs one above 0, such as end_lr / 1e6")
    rates = Triangular(start, end, n - 1)(np.arange(n)) if spacing == "linear" else np.geomspace(start, end, n)
    return [float(rate) for rate in rates]


def lr_sweep(
    step: Callable[[float], Any],
    *,
    start_lr: float = 0.0,
    end_lr: float | None = None,
    iterations: int,
    spacing: str = "linear",
    evaluate: Callable[[], Any] | None = None,
    evaluate_every: int | None = None,
    metric: str = "loss",
    lower_is_better: bool | None = None,
    retest: bool = False,
    keep: Iterable[Any] = (),
) -> RangeTest:
    """The LR range test of anything that trains (section 3.3): call step(lr) with a rising rate, keep what it returns.

    Iteration t = 0 ... n - 1 gets the rate lr = start_lr + (end_lr - start_lr) * t / (n - 1), n = iterations; with
    spacing="exponential" lr = start_lr * (end_lr / start_lr)**(t / (n - 1)). It is recorded with what came of it.

    step: sets the rate, trains one iteration and returns the training loss, or the metric where there is no `evaluate`.
    end_lr: the last rate. Without one a first pass of 200 iterations, exponential from 1e-6, looks for the rate at
        which training breaks; it is in `earlier` of the result. retest: where `bounds` advises another end_lr, do so.
    evaluate: measures the metric on held-out data, after the first iteration, the last one and each evaluate_every of
        them (iterations // 20 by default; without it 1).
    metric, lower_is_better: what is measured; a "loss" is better the lower it is, all else the higher it is.
    keep: models, optimizers, loaders, scalers and the like, to be put back after each pass; see `untouched`.

    What is not finite ends the test, and so does a loss that lies above its best by 3 times the size of the first 10 or
    more for 3 iterations running; `stopped` then says where. Raises ValueError for rates that do not rise, an
    exponential sweep from 0, counts below 1, or no end_lr where nothing is kept; TypeError where step or evaluate
    returns no number.

    >>> weight = [1.0]
    >>> def step(lr):
    ...     weight[0] -= lr * 2 * weight[0]  # gradient descent on weight**2
    ...     return weight[0] ** 2
    >>> print(lr_sweep(step, start_lr=0.001, end_lr=10.0, iterations=41, spacing="exponential"))
    LR range test, 41 rates from 0.001 to 10, loss 0.000 to 4290.908
    base_lr 0.00794, max_lr 0.158: loss decreases from base_lr and slows or becomes ragged after max_lr
    """
    things = tuple(map(_keepable, keep))
    if (end_lr is None or retest) and not things:
        raise ValueError("a test of two passes needs keep=[model, optimizer, ...], to begin each alike; or give end_lr")
    sweep = start_lr, end_lr, iterations, spacing
    return _passes(step, sweep, evaluate, evaluate_every, metric, lower_is_better, retest, things)


def _passes(
    step: Callable[[float], Any],
    sweep: tuple[float, float | None, int, str],
    evaluate: Callable[[], Any] | None,
    evaluate_every: int | None,
    metric: str,
    lower_is_better: bool | None,
    retest: bool,
    things: tuple[Any, ...],
    begin: Callable[[], None] = lambda: None,
) -> RangeTest:
    """The pass up to end_lr; without one, or where its bounds ask for another, first the search for the break."""
    start_lr, end_lr, iterations, spacing = sweep
    if evaluate_every is None:
        evaluate_every = 1 if evaluate is None else max(1, int(iterations) // 20)
    every = checks.count("evaluate_every", evaluate_every)
    lower = metric == "loss" if lower_is_better is None else lower_is_better

    def one_pass(end: float) -> RangeTest:
        rates = rising_rates(start_lr, end, iterations, spacing)
        with untouched(*things):
            begin()
            return _curve(step, rates, evaluate, every, metric, lower)

    earlier: tuple[RangeTest, ...] = ()
    if end_lr is not None:
        test = one_pass(end_lr)
        if not retest or test.bounds().end_lr is None:
            return test
        earlier = (test,)
    with untouched(*things):
        begin()
        watched, down = ("loss", True) if evaluate is not None else (metric, lower)
        search = _curve(step, rising_rates(*SEARCH, "exponential"), None, 1, watched, down)
    return replace(one_pass(break_of(search)), earlier=(*earlier, search))


def _curve(
    step: Callable[[float], Any],
    rates: list[float],
    evaluate: Callable[[], Any] | None,
    every: int,
    metric: str,
    lower_is_better: bool,
) -> RangeTest:
    """One pass over the rates."""
    watched = metric if evaluate is None else "loss"
    can_diverge = lower_is_better or evaluate is not None
    lr: list[float] = []
    values: list[float] = []
    stopped = None
    best, size, high = math.inf, 0.0, 0
    for t, rate in enumerate(rates):
        loss = _number("step", step(rate))
        best = min(best, loss)
        size = max(size, abs(loss)) if t < FIRST else size
        high = high + 1 if can_diverge and loss - best > DIVERGES * size else 0
        if not math.isfinite(loss) or high == RUNNING:
            stopped = f"training {watched} {loss:.6g} at iteration {t}, learning rate {rate:.6g}"
            break
        if t == 0 or (t + 1) % every == 0 or t == len(rates) - 1:
            value = loss if evaluate is None else _number("evaluate", evaluate())
            if not math.isfinite(value):  # the step just made broke the net
                stopped = f"{metric} {value} after iteration {t}, learning rate {rate:.6g}"
                break
            lr.append(rate)
            values.append(value)
    return RangeTest(np.array(lr), np.array(values), stopped, metric, lower_is_better)


def _keepable(thing: Any) -> Any:
    if isinstance(thing, (DataLoader, Generator)) or callable(getattr(thing, "state_dict", None)):
        return thing
    kind = f"keep holds a {type(thing).__name__}, which cannot be put back"
    raise TypeError(f"{kind}; name models, optimizers, loaders, scalers and generators one by one")


def _number(name: str, value: Any) -> float:
    try:
        return float(value.item() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} returned a {type(value).__name__}; return the loss or metric, one number") from error


def lr_range_test(
    model: nn.Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Any, Any], Tensor],
    train_batches: Iterable[Any],
    heldout_batches: Iterable[Any] | None = None,
    *,
    start_lr: float = 0.0,
    end_lr: float | None = None,
    iterations: int,
    evaluate_every: int | None = None,
    spacing: str = "linear",
    metric: str | Callable[[Any, Any], Any] = "accuracy",
    lower_is_better: bool | None = None,
    retest: bool = False,
    keep: Iterable[Any] = (),
) -> RangeTest:
    """Train with a rate that rises in a straight line and measure the accuracy on the way (section 3.3, figure 3).

    Iteration t uses lr = start_lr + (end_lr - start_lr) * t / (iterations - 1), times a group's "lr_mult" where it has
    one. Where no group has, groups of different rates keep their ratios and the highest uses lr (to train so with
    `ScheduleLR`, give them their "lr_mult"). Afterwards model, optimizer, loaders and random states are as they were,
    see `untouched`. For batches or trainings of another kind there is `lr_sweep`.

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
    groups = groups_of(optimizer)
    scaled(groups, [0.0] * len(groups))  # refuses what is wrong before anything changes
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    batches = _again_and_again(train_batches)
    trained: Any = None

    def step(lr: float) -> float:
        nonlocal trained
        inputs, targets = _pair("train_batches", next(batches), device)
        write(groups, scaled(groups, [lr] * len(groups)))
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

    def begin() -> None:
        nonlocal batches
        batches = _again_and_again(train_batches)
        _keep_ratios(optimizer)
        if not model.training:
            model.train()

    return _passes(
        step,
        (start_lr, end_lr, iterations, spacing),
        evaluate,
        1 if heldout_batches is None and evaluate_every is None else evaluate_every,
        metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__),
        lower_is_better,
        retest,
        (model, optimizer, train_batches, heldout_batches, *map(_keepable, keep)),
        begin,
    )


def _keep_ratios(optimizer: Optimizer) -> None:
    """Give each group its share of the highest rate as "lr_mult", unless a group has one."""
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
        values = [(len(targets), float(measure(model(inputs), targets))) for inputs, targets in pairs]
    for module, training in modes:
        module.training = training
    if not values:
        raise ValueError(f"heldout_batches gave no batch; {REUSABLE}")
    return sum(n * value for n, value in values) / sum(n for n, _ in values)


def _accuracy(scores: Tensor, targets: Tensor) -> float:
    """Share of the targets that get the highest score; nan where a score is not finite."""
    if scores.shape[:1] + scores.shape[2:] != targets.shape:
        shapes = f"scores {tuple(scores.shape)} for targets {tuple(targets.shape)}"
        raise ValueError(f'the model gives {shapes}; give scores (N, classes) and class numbers (N,), or metric="loss"')
    right = (scores.argmax(1) == targets).sum().item()
    return right / targets.numel() if scores.isfinite().all() else math.nan
