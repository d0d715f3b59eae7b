"""A rate that rises while something trains: the LR range test (section 3.3) without a word about models and loaders."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from torch import Generator, Tensor
from torch.utils.data import DataLoader

from clrlib import checks
from clrlib.curve import RangeTest
from clrlib.schedules import Triangular
from clrlib.untouched import untouched

FIRST = 10  # iterations, whose losses say how large a loss is here
DIVERGES = 3.0  # times that size above the best loss ...
RUNNING = 3  # ... for so many iterations running; a single one may be a bad batch


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


def rising_rates(start_lr: float, end_lr: float, iterations: int, spacing: str) -> list[float]:
    """The rate of each iteration of a range test, by equal steps ("linear") or equal factors ("exponential").

    >>> rising_rates(0.001, 1.0, 4, "exponential")
    [0.001, 0.01, 0.1, 1.0]
    """
    policy = range_test_policy(start_lr, end_lr, iterations)
    if spacing not in ("linear", "exponential"):
        raise ValueError(f'spacing is {spacing!r}; give "linear" or "exponential"')
    if spacing == "linear":
        return [policy(t) for t in range(policy.step_size + 1)]
    if policy.base_lr == 0:
        raise ValueError("start_lr is 0; an exponential sweep needs one above 0, such as end_lr / 1e6")
    return [float(rate) for rate in np.geomspace(policy.base_lr, policy.max_lr, policy.step_size + 1)]


def lr_sweep(
    step: Callable[[float], Any],
    *,
    start_lr: float = 0.0,
    end_lr: float,
    iterations: int,
    spacing: str = "linear",
    evaluate: Callable[[], Any] | None = None,
    evaluate_every: int | None = None,
    metric: str = "loss",
    lower_is_better: bool | None = None,
    keep: Iterable[Any] = (),
) -> RangeTest:
    """The LR range test of anything that trains (section 3.3): call step(lr) with a rising rate, keep what it returns.

    Iteration t = 0 ... n - 1 gets the rate lr = start_lr + (end_lr - start_lr) * t / (n - 1), n = iterations; with
    spacing="exponential" lr = start_lr * (end_lr / start_lr)**(t / (n - 1)). It is recorded with what came of it.

    step: sets the rate, trains one iteration and returns the training loss, or the metric where there is no `evaluate`.
    evaluate: measures the metric on held-out data, after the first iteration, the last one and each evaluate_every of
        them (iterations // 20 by default; without it 1).
    metric, lower_is_better: what is measured; a "loss" is better the lower it is, all else the higher it is.
    keep: models, optimizers, loaders, scalers and the like, to be put back at the end; see `untouched`.

    What is not finite ends the test, and so does a loss that lies above its best by 3 times the size of the first 10 or
    more for 3 iterations running; `stopped` then says where. Raises ValueError for rates that do not rise, an
    exponential sweep from 0 or counts below 1, TypeError where step or evaluate returns no number.

    >>> weight = [1.0]
    >>> def step(lr):
    ...     weight[0] -= lr * 2 * weight[0]  # gradient descent on weight**2
    ...     return weight[0] ** 2
    >>> print(lr_sweep(step, start_lr=0.001, end_lr=10.0, iterations=41, spacing="exponential"))
    LR range test, 41 rates from 0.001 to 10, loss 0.000 to 4290.908
    base_lr 0.00794, max_lr 0.158: loss decreases from base_lr and slows or becomes ragged after max_lr
    """
    sweep = rising_rates(start_lr, end_lr, iterations, spacing)
    if evaluate_every is None:
        evaluate_every = 1 if evaluate is None else max(1, len(sweep) // 20)
    every = checks.count("evaluate_every", evaluate_every)
    watched = metric if evaluate is None else "loss"
    can_diverge = watched == "loss" if lower_is_better is None or evaluate is not None else lower_is_better
    lr: list[float] = []
    values: list[float] = []
    stopped = None
    best, size, high = math.inf, 0.0, 0
    with untouched(*(_keepable(thing) for thing in keep)):
        for t, rate in enumerate(sweep):
            loss = _number("step", step(rate))
            best = min(best, loss)
            size = max(size, abs(loss)) if t < FIRST else size
            high = high + 1 if can_diverge and loss - best > DIVERGES * size else 0
            if not math.isfinite(loss) or high == RUNNING:
                stopped = f"training {watched} {loss:.6g} at iteration {t}, learning rate {rate:.6g}"
                break
            if t == 0 or (t + 1) % every == 0 or t == len(sweep) - 1:
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
    told = f"keep holds a {type(thing).__name__}, which cannot be put back"
    raise TypeError(f"{told}; name models, optimizers, loaders, scalers and generators one by one")


def _number(name: str, value: Any) -> float:
    try:
        return float(value.item() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} returned a {type(value).__name__}; return the loss or metric, one number") from error
