"""Suggestions of other learning-rate finders on the same loss curve, to compare with `RangeTest.bounds`.

Each suggests a single rate, for a fixed schedule or as the max_lr of one cycle, even where the curve has no answer.
"""

import numpy as np

from clrlib import RangeTest
from clrlib._reading import axis


def suggestions(test: RangeTest) -> dict[str, float]:
    """The rates of `steepest`, `valley` and `minimum_tenth` on the smoothed curve of a range test.

    The curve of a metric where higher is better is negated first.
    Raises ValueError for a curve of fewer than 3 points.

    >>> lr = np.geomspace(1e-4, 1.0, 41)
    >>> loss = 2 - np.exp(-(np.log10(lr / 0.05) ** 2))
    >>> {name: float(f"{rate:.2g}") for name, rate in suggestions(RangeTest(lr, loss, None, "loss", True)).items()}
    {'steepest': 0.01, 'valley': 0.002, 'minimum / 10': 0.005}
    """
    if test.lr.size < 3:
        raise ValueError(f"{test.lr.size} points are too few for a suggestion; measure at 3 rates or more")
    loss = test.smoothed if test.lower_is_better else -test.smoothed
    finders = {"steepest": steepest, "valley": valley, "minimum / 10": minimum_tenth}
    return {name: finder(test.lr, loss) for name, finder in finders.items()}


def steepest(lr: np.ndarray, loss: np.ndarray) -> float:
    """The rate at which the loss falls most steeply: argmin d loss / d x, x = log(lr) in an exponential sweep, else lr.

    lr, loss: (n,), finite. As torch-lr-finder has it; fastai's `steep` takes the step to the next point, not the mean
    of the two beside it, and Lightning x = lr always, which in an exponential sweep favours small rates.

    >>> steepest(np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 4.0, 1.0, 0.5]))
    2.0
    """
    return float(lr[np.gradient(loss, axis(lr)).argmin()])


def valley(lr: np.ndarray, loss: np.ndarray) -> float:
    """The rate half way down the longest valley, fastai's default.

    With `length` the points of the longest run of falling losses, gaps allowed, `end` the point where it ends and
    start = end - length, point start + int(length / 3) + int(length / 6). lr, loss: (n,), finite.
    Where that is a point before the first, fastai takes the last rate, the highest; here it is the first.

    >>> valley(np.arange(7.0), np.array([9.0, 8.0, 7.0, 6.0, 4.0, 3.0, 5.0]))
    2.0
    """
    length = np.ones(len(loss), dtype=int)  # of the longest run that ends at each point
    for i in range(len(loss)):
        length[i] += length[:i].max(where=loss[:i] > loss[i], initial=0)
    end, third = int(length.argmax()), int(length.max()) / 3
    return float(lr[max(0, end - int(length.max()) + int(third) + int(third / 2))])


def minimum_tenth(lr: np.ndarray, loss: np.ndarray) -> float:
    """A tenth of the rate at which the loss is lowest, fastai's `minimum`. lr, loss: (n,), finite.

    >>> minimum_tenth(np.array([1.0, 2.0, 3.0]), np.array([3.0, 1.0, 2.0]))
    0.2
    """
    return float(lr[loss.argmin()] / 10)
