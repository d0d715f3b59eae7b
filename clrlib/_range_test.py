"""The LR range test (section 3.3): one short training with a rising rate. How its curve is read: _reading.py."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Sampler

from clrlib import _checks as checks
from clrlib._reading import RangeTest, rounded
from clrlib._scheduler import groups_of, scaled, write
from clrlib._schedules import Triangular
from clrlib._untouched import GENERATORS, untouched

FIRST = 10  # iterations, whose losses say how large a loss is here
DIVERGES = 3.0  # times that size above the best loss ...
RUNNING = 3  # ... for so many iterations running; a single one may be a bad batch
SEARCH = 1e-6, 100.0, 200  # first and last rate and iterations of the pass that looks for the rate of the break
REUSABLE = "give a DataLoader or a list, which can be gone through again and again"
NEAR = 1.5  # times the end_lr of a search or a part of it: the bounds are those that it would give
MOST_TESTS = 2  # after a search; the second where training breaks early, or noise hides the answer
SWEEP = """call lr_sweep(step, iterations=..., keep=[model, optimizer, loader]) instead, with

    def step(lr):
        for group in optimizer.param_groups: group["lr"] = lr
        return train_on_a_batch()  # your own forward, backward and optimizer.step(); returns the loss"""


def rising_rates(start_lr: float, end_lr: float, iterations: int, spacing: str) -> list[float]:
    """The rate of each iteration of a range test, by equal steps ("linear") or equal factors ("exponential").

    >>> rising_rates(0.0, 0.02, 5, "linear"), rising_rates(0.001, 1.0, 4, "exponential")
    ([0.0, 0.005, 0.01, 0.015, 0.02], [0.001, 0.01, 0.1, 1.0])
    """
    n = checks.count("iterations", iterations, least=2)
    if (start := checks.rate("start_lr", start_lr)) >= (end := checks.rate("end_lr", end_lr)):
        raise ValueError(f"start_lr {start_lr!r} is not below end_lr {end_lr!r}; the test needs a rising rate")
    checks.one_of("spacing", spacing, ("linear", "exponential"))
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
    end_lr: the last rate. Without one a search comes first, in `earlier` of the result: 200 iterations or fewer whose
        rate rises by equal factors from 1e-6, up to where training has given back a quarter of what it had gained.
    retest: search where an end_lr is given, too, and test again where the two are apart by a factor of 1.5 or more.
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

    def agreed(name: str, function: Callable[..., Any]) -> Callable[..., float]:
        return lambda *lr: _over_ranks(_number(name, function(*lr)))

    sweep = _Sweep(
        step=agreed("step", step),
        evaluate=None if evaluate is None else agreed("evaluate", evaluate),
        rates=partial(rising_rates, start_lr, iterations=iterations, spacing=spacing),
        every=_every(evaluate_every, iterations, often=evaluate is None),
        metric=metric,
        lower_is_better=lower_is_better,
        things=things,
    )
    return sweep.passes(start_lr, end_lr, retest)


def _every(given: int | None, iterations: int, often: bool) -> int:
    """Iterations between evaluations."""
    twentieth = max(1, checks.count("iterations", iterations, least=2) // 20)
    return checks.count("evaluate_every", (1 if often else twentieth) if given is None else given)


@dataclass
class _Sweep:
    """The passes of a range test: functions that train and measure, their rates, and the things to put back."""

    step: Callable[[float], float]
    evaluate: Callable[[], float] | None
    rates: Callable[..., list[float]]  # rates(end_lr=...): those of one pass
    every: int
    metric: str
    lower_is_better: bool | None
    things: tuple[Any, ...]
    begin: Callable[[], None] = lambda: None

    def passes(self, start_lr: float, end_lr: float | None, retest: bool) -> RangeTest:
        """The pass up to end_lr; without one, or where its bounds ask for another, after a search for the break."""
        self.rates(end_lr=SEARCH[1] if end_lr is None else end_lr)  # refuses before anything is trained
        passes = [] if end_lr is None else [self.one(self.rates(end_lr=end_lr))]
        if passes and not retest:
            return passes[0]
        loss = self if self.evaluate is None else replace(self, evaluate=None, metric="loss", lower_is_better=True)
        passes.append(search := replace(loss, every=1).one(rising_rates(*SEARCH, "exponential")))
        if not search.lr.size:
            raise ValueError(f"{search.stopped}: no rate can be tested; look at the data, the model and the loss first")
        end = rounded(search.broke or SEARCH[1])
        if end <= start_lr:
            raise ValueError(f"training breaks at {end:g}, no higher than start_lr {start_lr!r}; give a lower start_lr")
        if end_lr is not None and end / NEAR <= end_lr <= end * NEAR and passes[0].bounds().base_lr:
            return replace(passes[0], earlier=(search,))
        for _ in range(MOST_TESTS):
            passes.append(replace(self.one(self.rates(end_lr=end)), earlier=tuple(passes)))
            end = passes[-1].bounds().end_lr or 0.0
            if end <= start_lr:  # no other test is asked for, or none is possible
                break
        return passes[-1]

    def one(self, rates: list[float]) -> RangeTest:
        """One pass over the rates, after which everything is as it was."""
        watched = self.metric if self.evaluate is None else "loss"
        lower = self.metric == "loss" if self.lower_is_better is None else self.lower_is_better
        losses, points, stopped = [], [], None
        best, size, high = math.inf, 0.0, 0
        with untouched(*self.things):
            self.begin()
            for t, lr in enumerate(rates):
                loss = self.step(lr)
                torch.clear_autocast_cache()  # else the weights as they were before this step are used for ever
                best = min(best, loss)
                size = max(size, abs(loss)) if t < FIRST or size == 0 else size
                up = loss - best > DIVERGES * max(size, abs(best))
                high = high + 1 if up and (lower or self.evaluate is not None) else 0
                if not math.isfinite(loss) or high == RUNNING:
                    stopped = f"training {watched} {loss:.6g} at iteration {t}, learning rate {lr:.6g}"
                    break
                losses.append(loss)
                if t == 0 or (t + 1) % self.every == 0 or t == len(rates) - 1:
                    value = loss if self.evaluate is None else self.evaluate()
                    torch.clear_autocast_cache()
                    if not math.isfinite(value):  # the step just made broke the net
                        stopped = f"{self.metric} {value} after iteration {t}, learning rate {lr:.6g}"
                        break
                    points.append((lr, value))
        at, values = np.array(points).reshape(-1, 2).T
        curve = RangeTest(np.array(rates[: len(losses)]), np.array(losses), stopped, "loss")
        return RangeTest(at, values, stopped, self.metric, lower, rates[-1], None if self.evaluate is None else curve)


def _keepable(thing: Any) -> Any:
    if isinstance(thing, (DataLoader, Sampler, *GENERATORS)) or callable(getattr(thing, "state_dict", None)):
        return thing
    kind = f"keep holds a {type(thing).__name__}, which cannot be put back"
    raise TypeError(f"{kind}; name models, optimizers, loaders, scalers and generators one by one")


def _number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()  # a fault of the device shows here, and is not about the number
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} returned a {type(value).__name__}; return the loss or metric, one number") from error


def _over_ranks(total: float, n: float = 1.0) -> float:
    """total / n, each summed over the processes of a torch.distributed group; of one process alone its own."""
    dist = torch.distributed
    if dist.is_available() and dist.is_initialized():
        device = torch.cuda.current_device() if dist.get_backend() == "nccl" else "cpu"
        sums = torch.tensor([total, n], dtype=torch.float64, device=device)
        dist.all_reduce(sums)
        total, n = sums.tolist()
    if n == 0:
        raise ValueError("heldout_batches gave no example whose target counts; give some, not all of them ignored")
    return total / n


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
    end_lr: may be left out: a search of at most 200 iterations then finds it. retest, spacing, keep: see `lr_sweep`.
    iterations: optimizer steps; several epochs' worth. evaluate_every: iterations between evaluations, also made after
        the first and the last one; iterations // 20 by default, 1 on the training batch.
    metric: "accuracy", "loss" (loss_fn's) or a function of (outputs, targets) that gives the mean over a batch.
    lower_is_better: of the metric; where it is not given, of "loss" alone.

    A training that diverges ends the test; the result keeps what was measured and says where in `stopped`.
    In several processes all call it, and loss and metric are the means over all. Raises ValueError for rates that do
    not rise, counts below 1, batches that run out or that are not such pairs, optimizers whose steps do not follow a
    rate (Rprop, ASGD); TypeError for those that need a closure (LBFGS, SAM), and for a loss or metric of another kind.

    >>> _ = torch.manual_seed(0)
    >>> inputs = torch.randn(64, 2)
    >>> batches = [(inputs, (inputs[:, 0] > 0).long())]
    >>> model = nn.Linear(2, 2)
    >>> optimizer = torch.optim.SGD(model.parameters())
    >>> test = lr_range_test(model, optimizer, nn.CrossEntropyLoss(), batches, batches, end_lr=1.0, iterations=40)
    >>> test.lr.size, test.accuracy.size, test.lr[-1]
    (21, 21, np.float64(1.0))
    """
    ignored = getattr(loss_fn, "ignore_index", getattr(loss_fn, "keywords", {}).get("ignore_index", -100))
    known = {"accuracy": partial(_accuracy, ignored=ignored), "loss": loss_fn}
    measure = known.get(metric) if isinstance(metric, str) else metric
    if not callable(measure):
        raise ValueError(f'metric is {metric!r}; give "accuracy", "loss" or a function of (outputs, targets)')
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a {type(model).__name__}; give a torch.nn.Module, or {SWEEP}")
    if any(map(is_lazy, model.parameters())):
        raise ValueError("the model has lazy layers, whose weights are not there yet; run one batch through it first")
    groups = groups_of(optimizer)
    _refuse_without_a_rate(optimizer)
    scaled(groups, [0.0] * len(groups))  # refuses what is wrong before anything changes
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    batches: Iterator[Any] = iter(())
    trained: Any = None
    modules = [thing for thing in (model, measure) if isinstance(thing, nn.Module)]

    def begin() -> None:
        nonlocal batches
        batches = _again_and_again(train_batches)
        _keep_ratios(optimizer)
        _mode(optimizer, "train")
        if not model.training:
            model.train()

    def step(lr: float) -> float:
        nonlocal trained
        inputs, targets = _pair("train_batches", next(batches), device)
        write(groups, scaled(groups, [lr] * len(groups)))
        optimizer.zero_grad()
        outputs = _outputs(model, inputs)
        loss = loss_fn(outputs, targets)
        value = _over_ranks(_loss_value(loss))
        if heldout_batches is None:  # before the update
            with torch.no_grad():
                trained = value if metric == "loss" else _number("metric", measure(outputs, targets))
        if math.isfinite(value):
            loss.backward()  # type: ignore[no-untyped-call]
            _update(optimizer)
        return value

    def evaluate() -> float:
        if heldout_batches is None:
            return trained if metric == "loss" else _over_ranks(trained)
        modes = [(module, module.training) for part in modules for module in part.modules()]
        for part in modules:
            part.eval()
        _mode(optimizer, "eval")
        pairs = (_pair("heldout_batches", batch, device) for batch in heldout_batches)
        try:
            return _mean(measure, model, pairs, ignored if isinstance(metric, str) else None)
        finally:
            for module, training in modes:
                module.training = training
            _mode(optimizer, "train")

    functions = [part for f in (loss_fn, measure) for part in (f, getattr(f, "__self__", None))]
    stateful = [part for part in functions if hasattr(part, "state_dict")]
    sweep = _Sweep(
        step=step,
        evaluate=evaluate,
        rates=partial(rising_rates, start_lr, iterations=iterations, spacing=spacing),
        every=_every(evaluate_every, iterations, often=heldout_batches is None),
        metric=metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__),
        lower_is_better=lower_is_better,
        things=(model, optimizer, train_batches, heldout_batches, *stateful, *map(_keepable, keep)),
        begin=begin,
    )
    return sweep.passes(start_lr, end_lr, retest)


def _refuse_without_a_rate(optimizer: Optimizer) -> None:
    """Raise where a step needs more than a rate, or makes its own."""
    name = type(optimizer).__name__
    if any(group.get("lr") is None for group in optimizer.param_groups):
        raise ValueError(f"a group of {name} has no lr, so that it sets its own; give it a number, such as lr=0.001")
    if name in ("Rprop", "ASGD"):
        raise ValueError(f"{name} sizes its steps itself, a rising rate does not show in them; test another optimizer")
    closure = signature(optimizer.step).parameters.get("closure")
    if (closure is not None and closure.default is Parameter.empty) or hasattr(optimizer, "first_step"):
        raise TypeError(f"{name}.step() needs a closure; {SWEEP}")


def _update(optimizer: Optimizer) -> None:
    try:
        optimizer.step()
    except AssertionError as error:
        raise TypeError(f"{type(optimizer).__name__}.step() needs a closure, it seems; {SWEEP}") from error


def _mode(optimizer: Any, mode: str) -> None:
    """Schedule-free optimizers hold other weights in training than in evaluation."""
    if callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None)):
        getattr(optimizer, mode)()


def _outputs(model: nn.Module, inputs: Tensor) -> Any:
    try:
        return model(inputs)
    except ValueError as error:
        if len(inputs) == 1 and "more than 1 value per channel" in str(error):
            alone = "train_batches gave a batch of one example, on which batch normalisation cannot train"
            raise ValueError(f"{alone}; give the DataLoader drop_last=True") from error
        raise


def _loss_value(loss: Any) -> float:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        kind = f"tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"loss_fn gave a {kind}; return the mean loss, a tensor of one number")
    if not loss.requires_grad:
        raise ValueError("the loss has no gradient; let a parameter require one, and do not detach the loss")
    return loss.item()


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
        raise ValueError(f"{name} gave a {type(batch).__name__} that is not a pair of tensors (input, target); {SWEEP}")
    return batch[0].to(device), batch[1].to(device)


@torch.no_grad()
def _mean(measure: Callable[[Any, Any], Any], model: nn.Module, pairs: Iterable[Any], ignored: int | None) -> float:
    """The mean of a measure over the targets of all batches (and processes) that are not ignored."""
    total, n, inputs = 0.0, 0, None
    for inputs, targets in pairs:
        whole = ignored is None or targets.is_floating_point()
        if count := targets.numel() if whole else int((targets != ignored).sum()):
            total += count * _number("metric", measure(model(inputs), targets))
            n += count
    if inputs is None:
        raise ValueError(f"heldout_batches gave no batch; {REUSABLE}")
    return _over_ranks(total, n)


def _accuracy(scores: Any, targets: Tensor, ignored: int = -100) -> float:
    """Share of the targets, but for ignored ones, that get the highest score; nan where that is not finite."""
    if not isinstance(scores, Tensor):
        kind = f"the model gives a {type(scores).__name__}, of which there is no accuracy"
        raise ValueError(f"{kind}; let it give scores (N, classes), or give a metric of (outputs, targets)")
    if scores.shape[:1] + scores.shape[2:] != targets.shape or scores.ndim < 2 or scores.shape[1] < 2:
        shapes = f"scores {tuple(scores.shape)} for targets {tuple(targets.shape)}"
        raise ValueError(f'the model gives {shapes}; give scores (N, classes) and class numbers (N,), or metric="loss"')
    highest, classes = scores.max(1)
    counts = targets != ignored
    if not highest[counts].isfinite().all():
        return math.nan
    return int((classes == targets)[counts].sum()) / max(1, int(counts.sum()))
