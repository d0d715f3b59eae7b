"""The LR range test (section 3.3): one short training with a rising rate, and how its curve is read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from clrlib import checks
from clrlib.scheduler import rates, set_rates
from clrlib.schedules import Triangular
from clrlib.untouched import untouched

REUSABLE = "give a DataLoader or a list, which can be gone through again and again"
LEAST_POINTS = 6  # fewer show no shape
LEAST_RISE = 0.01  # accuracy; a net that does not learn wanders by less
CLEAR_RISE = 6.0  # times the noise; of curves that are noise alone about 1 in 100 reach it
CLEAR_KNEE = 0.1  # height above the straight line, as a share of the rise...
KNEE_NOISE = 3.0  # ... and in times the noise
STEP = 0.1  # share of the rise that counts as a start, and below the peak as a fall


def range_test_policy(start_lr: float, end_lr: float, iterations: int) -> Triangular:
    """The rising half of a triangle (section 3.3): start_lr at iteration 0, end_lr at iteration iterations - 1.

    Raises ValueError for a start_lr that is not below end_lr, or fewer than 2 iterations.

    >>> policy = range_test_policy(0.0, 0.02, iterations=5)
    >>> [policy(t) for t in range(5)]
    [0.0, 0.005, 0.01, 0.015, 0.02]
    """
    iterations = checks.count("iterations", iterations, least=2)
    if checks.rate("start_lr", start_lr) >= checks.rate("end_lr", end_lr):
        raise ValueError(f"start_lr {start_lr!r} is not below end_lr {end_lr!r}; the test needs a rising rate")
    return Triangular(start_lr, end_lr, step_size=iterations - 1)


def lr_range_test(
    model: nn.Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    train_batches: Iterable[Any],
    heldout_batches: Iterable[Any],
    *,
    start_lr: float = 0.0,
    end_lr: float,
    iterations: int,
    evaluate_every: int | None = None,
) -> "RangeTest":
    """Train with a rate that rises in a straight line and measure the accuracy on the way (section 3.3, figure 3).

    Iteration t = 0, 1 ... uses the rate `range_test_policy(start_lr, end_lr, iterations)(t)`, times a group's "lr_mult"
    where it has one. Afterwards model, optimizer, loaders and random states are as they were, see `untouched`.

    model: gives class scores (N, classes). It trains in train mode; where it already is in it, layers that were set to
        eval mode stay so.
    train_batches, heldout_batches: a DataLoader or list of pairs (input, target), gone through as often as needed; both
        are moved to the model's device. All held-out batches are used at each evaluation.
    iterations: optimizer steps; several epochs' worth. evaluate_every: iterations between evaluations, also made after
        the first and the last one; iterations // 20 by default.

    A training loss that is not finite ends the test; the result keeps what was measured and says where in `stopped`.
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
    policy = range_test_policy(start_lr, end_lr, iterations)
    every = max(1, iterations // 20) if evaluate_every is None else checks.count("evaluate_every", evaluate_every)
    rates(optimizer, policy(0))  # refuses what is wrong before anything changes
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    lr: list[float] = []
    accuracy: list[float] = []
    stopped = None
    with untouched(model, optimizer, train_batches, heldout_batches):
        if not model.training:
            model.train()
        for t, batch in zip(range(policy.step_size + 1), _again_and_again(train_batches), strict=False):
            inputs, targets = _pair("train_batches", batch, device)
            set_rates(optimizer, policy(t))
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            if not loss.isfinite():
                stopped = f"training loss {loss.item()} at iteration {t}, learning rate {policy(t):.6g}"
                break
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if t == 0 or (t + 1) % every == 0 or t == policy.step_size:
                measured = _accuracy(model, heldout_batches, device)
                if measured is None:  # the step just made broke the net
                    stopped = f"scores that are not finite after iteration {t}, learning rate {policy(t):.6g}"
                    break
                lr.append(policy(t))
                accuracy.append(measured)
    return RangeTest(np.array(lr), np.array(accuracy), stopped)


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


def _accuracy(model: nn.Module, batches: Iterable[Any], device: torch.device) -> float | None:
    """Share of the targets that get the highest score, in eval mode; None where a score is not finite."""
    modes = [(module, module.training) for module in model.modules()]
    right: Tensor | int = 0
    finite: Tensor | bool = True
    total = 0
    model.eval()
    with torch.no_grad():
        for batch in batches:
            inputs, targets = _pair("heldout_batches", batch, device)
            scores = model(inputs)
            if scores.shape[:1] + scores.shape[2:] != targets.shape:
                shapes = f"scores {tuple(scores.shape)} for targets {tuple(targets.shape)}"
                raise ValueError(f"the model gives {shapes}; give scores (N, classes) and class numbers (N,)")
            right += (scores.argmax(1) == targets).sum()
            finite &= scores.isfinite().all()
            total += targets.numel()
    for module, training in modes:
        module.training = training
    if total == 0:
        raise ValueError(f"heldout_batches gave no batch; {REUSABLE}")
    return float(right) / total if finite else None


@dataclass(frozen=True)
class Bounds:
    """What a range test says: base_lr and max_lr (learning rates), or None for both, and the reason in a sentence."""

    base_lr: float | None
    max_lr: float | None
    reason: str
    at_first_rate: bool = False  # base_lr is the lowest rate that could be found: it may lie anywhere below

    def __str__(self) -> str:
        if self.base_lr is None:
            return self.reason
        base = f"{'at or below ' if self.at_first_rate else ''}{self.base_lr:.3g}"
        return f"base_lr {base}, max_lr {self.max_lr:.3g}: {self.reason}"


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The curve of a range test: accuracy against learning rate; recorded curves do as well.

    lr: (n,) float64, rising. accuracy: (n,) or (seeds, n) float64, fractions. stopped: where the training diverged, if
    it did. Raises ValueError for other shapes, rates that do not rise or values that are not finite.

    >>> lr = np.linspace(0.0, 0.02, 21)
    >>> print(RangeTest(lr, accuracy=np.minimum(0.1 + 50 * lr, 0.5)))
    LR range test, 21 rates from 0 to 0.02, accuracy 0.100 to 0.500
    base_lr at or below 0.001, max_lr 0.008: accuracy increases from base_lr and slows or becomes ragged after max_lr
    """

    lr: np.ndarray
    accuracy: np.ndarray
    stopped: str | None = None

    def __post_init__(self) -> None:
        lr, accuracy = np.array(self.lr, dtype=np.float64), np.array(self.accuracy, dtype=np.float64)
        if lr.ndim != 1:
            raise ValueError(f"lr has shape {lr.shape}; give one rate for each point, shape (n,)")
        if accuracy.shape[-1:] != lr.shape or accuracy.ndim > 2 or len(accuracy) == 0 < lr.size:
            raise ValueError(f"accuracy has shape {accuracy.shape} for {lr.size} rates; give (n,) or (seeds, n)")
        for name, values in (("lr", lr), ("accuracy", accuracy)):
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds a value that is not finite; leave such points out")
        if lr.size and (lr[0] < 0 or (np.diff(lr) <= 0).any()):
            raise ValueError("lr does not rise from 0 or more; give each rate once, in rising order")
        for name, values in (("lr", lr), ("accuracy", accuracy)):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __str__(self) -> str:
        if not self.lr.size:
            curve = "LR range test without a measurement"
        else:
            low, high = self.accuracy.min(), self.accuracy.max()
            rates = f"{self.lr.size} rates from {self.lr[0]:.6g} to {self.lr[-1]:.6g}"
            curve = f"LR range test, {rates}, accuracy {low:.3f} to {high:.3f}"
        return "\n".join([curve, *([f"stopped: {self.stopped}"] if self.stopped else []), str(self.bounds())])

    def bounds(self) -> Bounds:
        """Read the two bounds off the curve (section 3.3).

        base_lr is where the accuracy starts to increase, max_lr where it slows, becomes ragged or starts to fall:

        1. Average over the seeds, then smooth: running median of 3, then running mean of about n / 10 points, both
           narrower at the ends. The rise is the smoothed curve's peak minus its first value. It must be 0.01 or more,
           and 6 times the noise: the standard deviation of the average's points, as estimated from the median distance
           between a point and the mean of its two neighbours.
        2. base_lr: the rate from which on, up to the peak, the curve has made 10 % of the rise; never the first rate.
        3. max_lr: the knee. Draw a straight line from the point before base_lr to the last point within 10 % of the
           peak; the knee is where the curve is highest above it, both axes scaled to the line's ends, if that height is
           0.1 and 3 times the noise or more. Without one max_lr is the peak, if the curve falls or the training
           diverges after it.

        Where a step has no answer, both bounds are None and the reason says why and what to change. The paper's rule of
        thumb for base_lr, a third or a quarter of max_lr, is another choice.
        """
        if self.lr.size < LEAST_POINTS:
            return _no_answer(f"{self.lr.size} points are too few; measure at {LEAST_POINTS} rates or more")
        mean = np.atleast_2d(self.accuracy).mean(0)
        window = self.lr.size // 10 | 1
        curve = _running(np.mean, _running(np.median, mean, 3), window)
        # the factor makes the median of these distances the standard deviation, where the noise is normal
        noise = 1.21 * np.median(np.abs(mean[1:-1] - (mean[:-2] + mean[2:]) / 2))
        rise = curve.max() - curve[0]
        if rise < max(LEAST_RISE, CLEAR_RISE * noise):
            return _no_answer("accuracy does not rise clearly above its noise; average more seeds, or test other rates")
        done = (curve - curve[0]) / rise  # 0 at the first point, 1 at the peak
        peak = int(done.argmax())
        before = int(np.flatnonzero(done[:peak] < STEP)[-1])
        last = int(np.flatnonzero(done >= 1 - STEP)[-1])
        along = (self.lr - self.lr[before]) / (self.lr[last] - self.lr[before])
        above = ((done - done[before]) / (done[last] - done[before]) - along)[before : last + 1]
        top = before + int(above.argmax())
        if above.max() < max(CLEAR_KNEE, KNEE_NOISE * noise / rise):
            if last == self.lr.size - 1 and self.stopped is None:
                return _no_answer("accuracy still rises at the last rate; give a larger end_lr")
            top = peak
        if top <= before + 1 + window // 2:  # smoothing makes a step that wide
            steep = "accuracy rises too steeply to tell the bounds apart"
            return _no_answer(f"{steep}; evaluate more often, or give a smaller end_lr")
        if top == self.lr.size - 1:
            end = "training diverges"
        elif done[top : top + 2 + self.lr.size // 5].min() < done[top] - STEP:
            end = "starts to fall"
        else:
            end = "slows or becomes ragged"
        reason = f"accuracy increases from base_lr and {end} after max_lr"
        return Bounds(float(self.lr[before + 1]), float(self.lr[top]), reason, at_first_rate=before == 0)


def _no_answer(why: str) -> Bounds:
    return Bounds(None, None, f"no clear answer: {why}")


def _running(statistic: Callable[[np.ndarray], Any], values: np.ndarray, window: int) -> np.ndarray:
    """A statistic over an odd window around each point, narrower at the ends so that it stays centred."""
    last = len(values) - 1
    half = [min(window // 2, i, last - i) for i in range(len(values))]
    return np.array([statistic(values[i - h : i + h + 1]) for i, h in enumerate(half)])
