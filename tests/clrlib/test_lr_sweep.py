"""The range test of anything that trains: a step function, whatever it does inside."""

import random
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from clrlib import ScheduleLR, Triangular, lr_sweep
from clrlib._range_test import DIVERGES, FIRST, RUNNING, rising_rates
from clrlib._untouched import untouched


def sweep(step, **options):
    return lr_sweep(step, **({"end_lr": 1.0, "iterations": 20} | options))


def test_the_curve_pairs_each_rate_with_what_the_step_returned():
    seen = []

    def step(lr):
        seen.append((lr, 1 / (1 + lr)))
        return seen[-1][1]

    test = sweep(step, start_lr=0.0, end_lr=1.0, iterations=11)
    assert [*zip(test.lr.tolist(), test.values.tolist(), strict=True)] == seen
    assert (test.metric, test.lower_is_better, test.stopped) == ("loss", True, None)
    np.testing.assert_allclose(test.lr, np.arange(11) / 10, rtol=1e-15)


@pytest.mark.parametrize(("start", "end", "n"), [(1e-7, 10.0, 100), (1e-5, 0.3, 7), (0.5, 1.0, 2)])
def test_an_exponential_sweep_has_equal_factors_and_exact_ends(start, end, n):
    rates = rising_rates(start, end, n, "exponential")
    assert (rates[0], rates[-1], len(rates)) == (start, end, n)
    np.testing.assert_allclose(np.diff(np.log(rates)), np.log(end / start) / (n - 1), rtol=1e-9)


@pytest.mark.parametrize("spacing", ["linear", "exponential"])
def test_a_constant_loss_is_recorded_constant_and_has_no_answer(spacing):
    test = sweep(lambda lr: 5.0, start_lr=1e-6, iterations=100, spacing=spacing)
    assert test.values.tolist() == [5.0] * 100
    assert test.stopped is None
    assert test.bounds().base_lr is None


def test_evaluate_is_called_after_the_first_the_last_and_every_so_many_iterations():
    done = []

    def step(lr):
        done.append(lr)
        return 1.0

    test = sweep(step, iterations=10, evaluate=lambda: len(done), evaluate_every=4, metric="iterations done")
    assert test.values.tolist() == [1, 4, 8, 10]
    assert test.lr.tolist() == [done[i] for i in (0, 3, 7, 9)]
    assert (test.metric, test.lower_is_better) == ("iterations done", False)
    assert sweep(step, iterations=100, evaluate=lambda: 1.0).lr.size == 21


# How it ends


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_a_value_that_is_not_finite_ends_it_at_once(metric, value):
    evaluated = iter([1.0, value])
    test = sweep(lambda lr: 1.0, evaluate=lambda: next(evaluated), evaluate_every=1, iterations=11, metric="f1")
    assert (test.values.tolist(), test.stopped) == ([1.0], f"f1 {value} after iteration 1, learning rate 0.1")
    values = iter([1.0, 2.0, value])
    test = sweep(lambda lr: next(values), iterations=101, metric=metric)
    assert test.values.tolist() == [1.0, 2.0]
    assert test.stopped == f"training {metric} {value} at iteration 2, learning rate 0.02"


def stops_at(losses, **options):
    """Count the losses that are looked at."""
    rest = iter(losses)
    test = sweep(lambda lr: next(rest), iterations=len(losses), **options)
    return len(losses) - len([*rest]), test


def test_a_loss_that_explodes_ends_it_when_it_has_stayed_up_for_three_iterations():
    losses = [2.0] * 20 + [1.0] * 20 + [50.0] * 20
    looked, test = stops_at(losses)
    assert looked == 43
    assert test.stopped.startswith("training loss 50 at iteration 42, learning rate")
    assert test.values.tolist() == losses[:42]
    looked, test = stops_at(losses, evaluate=lambda: 0.5, metric="accuracy")
    assert looked == 43 and test.stopped.startswith("training loss 50")


@pytest.mark.parametrize(
    "losses",
    [
        [2.0, 50.0, 60.0, 1.0] * 20,  # bad batches
        [0.01, 2.0] + [0.01] * 20 + [2.0] * 20,  # nearly perfect from the start, and a first batch that is lucky
        [-100.0] * 20 + [-90.0] * 40,  # a negative log-likelihood: four times the best is far below it
        [-1.0] * 20 + [-100.0] * 20 + [-98.0] * 20,
        [2.3 + 0.2 * (-1) ** t for t in range(60)],
        [1e-6] * 60,
        [0.0] * 60,
        [0.0] * 10 + [-1.0, -0.9, -0.8, -0.9] * 5,  # around zero: the best one says how large losses are
        [0.0] * 10 + [1.0, 1.2] * 10,
        [1e-3, -1e-3] * 5 + [-1.0, 1.0] * 20,
    ],
)
def test_other_losses_do_not_end_it(losses):
    looked, test = stops_at(losses)
    assert looked == test.lr.size == len(losses)


@pytest.mark.parametrize(
    ("high", "times", "stops"),
    [(DIVERGES * 2 + 1.01, RUNNING, True), (DIVERGES * 2 + 0.99, 30, False), (99.0, RUNNING - 1, False)],
)
def test_a_loss_diverges_at_three_times_its_size_above_the_best_three_times_running(high, times, stops):
    looked, test = stops_at([2.0] * FIRST + [1.0] * 10 + [high] * times + [1.0] * 10)
    assert (test.stopped is not None) is stops
    assert not stops or looked == FIRST + 10 + RUNNING


def test_a_loss_of_zero_diverges_from_the_first_size_it_shows():
    looked, test = stops_at([0.0] * 15 + [1.0] * 10 + [4.0] * 10)
    assert (looked, test.stopped is not None) == (28, True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"step": lambda lr: None}, TypeError, "step returned a NoneType; return the loss or metric, one number"),
        ({"step": lambda lr: torch.ones(2)}, TypeError, "step returned a Tensor; return the loss or metric"),
        ({"evaluate": lambda: {}}, TypeError, "evaluate returned a dict; return the loss or metric, one number"),
        ({"start_lr": 2.0}, ValueError, "start_lr 2.0 is not below end_lr 1.0"),
        ({"iterations": 1}, ValueError, "iterations is 1; give a whole number, 2 or more"),
        ({"evaluate_every": 0}, ValueError, "evaluate_every is 0; give a whole number, 1 or more"),
        ({"spacing": "cosine"}, ValueError, 'spacing is \'cosine\'; give "linear" or "exponential"'),
        ({"spacing": "exponential"}, ValueError, "start_lr is 0; an exponential sweep needs one above 0"),
        (
            {"start_lr": 200.0, "end_lr": None, "keep": [nn.Linear(1, 1)]},
            ValueError,
            "start_lr 200.0 is not below end_lr",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        sweep(**({"step": lambda lr: 1.0} | options))


def test_a_fault_of_the_device_is_not_taken_for_a_wrong_value():
    with pytest.raises(RuntimeError, match="meta"):
        sweep(lambda lr: torch.empty((), device="meta"))


# Anything that trains: dictionaries, mixed precision, accumulated gradients, two nets with an optimizer each


class Adversaries:
    """A pair of nets trained against each other on batches that are dictionaries."""

    def __init__(self):
        torch.manual_seed(0)
        self.maker = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
        self.judge = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1)).eval()
        self.optimizers = [
            torch.optim.Adam(self.maker.parameters(), betas=(0.5, 0.9)),
            torch.optim.SGD(self.judge.parameters(), lr=0.1, momentum=0.9),
        ]
        self.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        self.schedule = ScheduleLR(self.optimizers[1], Triangular(0.1, 0.2, 5))
        self.generator = torch.Generator().manual_seed(1)
        data = [{"real": torch.full((4,), float(i)), "weight": 1.0} for i in range(8)]
        self.loader = DataLoader(data, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(2))
        self.keep = [self.maker, self.judge, *self.optimizers, self.scaler, self.schedule, self.loader, self.generator]

    def step(self, lr):
        self.maker.train()
        self.judge.train()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = lr
        total = 0.0
        for batch in self.loader:  # gradients of two batches add up
            made = self.maker(torch.randn(4, 2, generator=self.generator) * random.random())
            with torch.autocast("cpu", torch.bfloat16):
                scores = self.judge(made), self.judge(batch["real"])
            losses = [F.softplus(-scores[0]).mean(), (F.softplus(scores[0]) + F.softplus(-scores[1])).mean()]
            self.scaler.scale(losses[0]).backward(retain_graph=True, inputs=[*self.maker.parameters()])
            self.scaler.scale(losses[1]).backward(inputs=[*self.judge.parameters()])
            total += losses[0].item()
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.schedule.step()
        return total

    def state(self):
        """All of it, as plain values."""
        nets = [*self.maker.state_dict().values(), *self.judge.state_dict().values()]
        parameters = [*self.maker.parameters(), *self.judge.parameters()]
        grads = [None if p.grad is None else p.grad.tolist() for p in parameters]
        generators = [g.get_state().tolist() for g in (self.generator, self.loader.generator)]
        modes = [module.training for net in (self.maker, self.judge) for module in net.modules()]
        rest = [str(optimizer.state_dict()) for optimizer in self.optimizers]
        rest += [str(self.scaler.state_dict()), str(vars(self.scaler)), str(self.schedule.state_dict())]
        global_states = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
        return [value.tolist() for value in nets], grads, generators, modes, rest, global_states


sets_the_rate_itself = pytest.mark.filterwarnings("ignore:the optimizer's rates")  # and steps a schedule


@sets_the_rate_itself
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("fault", [None, KeyboardInterrupt, RuntimeError])
def test_a_step_may_do_anything_and_all_that_is_kept_comes_back(fault, begun):
    trained = Adversaries()
    if begun:
        trained.step(0.01)
    before = trained.state()
    calls = 0

    def step(lr):
        nonlocal calls
        calls += 1
        loss = trained.step(lr)
        if calls == 5 and fault is not None:
            raise fault
        return loss

    options = {"start_lr": 1e-4, "end_lr": 0.1, "iterations": 12, "spacing": "exponential", "keep": trained.keep}
    if fault is None:
        test = sweep(step, **options)
        assert test.lr.size == 12 and test.stopped is None
        assert sweep(trained.step, **options).values.tolist() == test.values.tolist()
    else:
        with pytest.raises(fault):
            sweep(step, **options)
    assert trained.state() == before
    trained.step(0.01)
    assert trained.state() != before, "what is compared here does change"


@sets_the_rate_itself
def test_what_is_not_kept_stays_trained_but_random_states_come_back():
    trained = Adversaries()
    before = trained.state()
    sweep(trained.step, iterations=2)
    after = trained.state()
    assert after[0] != before[0]
    assert after[-1] == before[-1]


def test_what_a_schedule_remembers_comes_back_so_that_it_warns_afterwards_as_before():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = ScheduleLR(optimizer, Triangular(0.1, 0.2, 5))

    def train(optimizer_steps):
        for _ in range(optimizer_steps):
            optimizer.step()
        schedule.step()
        return 1.0

    train(1)
    steps = iter([1, 10])
    sweep(lambda lr: train(next(steps)), iterations=2, keep=[optimizer, schedule])
    assert (schedule.get_last_lr(), schedule.last_epoch) == ([pytest.approx(0.12)], 1)
    train(10)  # were the sweep's steps remembered, this would be the second time in a row: a warning, an error here
    with pytest.warns(UserWarning, match="not after each epoch"):
        train(10)


@pytest.mark.parametrize(
    "keep",
    [
        [[nn.Linear(1, 1)]],
        {"model": nn.Linear(1, 1)},
        [nn.Linear(1, 1).parameters()],
        [nn.Linear(1, 1).state_dict()],
        [torch.zeros(1)],
    ],
    ids=lambda keep: type(next(iter(keep))).__name__,
)
def test_what_could_not_be_put_back_is_refused_before_anything_trains(keep):
    with pytest.raises(TypeError, match="which cannot be put back; name models, optimizers, loaders"):
        sweep(lambda lr: pytest.fail("it trains"), iterations=4, keep=keep)


def test_an_optimizer_within_a_wrapper_comes_back():
    class Wrapper:
        def __init__(self, optimizer):
            self.optimizer, self.slow = optimizer, (torch.zeros(2),)

        def state_dict(self):
            return {}

    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.5, momentum=0.9)
    wrapper = Wrapper(optimizer)

    def step(lr):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        optimizer.step()
        wrapper.slow[0].add_(1)
        return 1.0

    sweep(step, iterations=4, keep=[wrapper])
    assert optimizer.param_groups[0]["lr"] == 0.5 and not optimizer.state
    assert wrapper.slow[0].tolist() == [0.0, 0.0]


def test_untouched_leaves_attributes_of_things_without_a_state_dict_alone():
    class Log:
        entries = 0

    log = Log()
    with untouched(log, None, [1], iter(())):
        log.entries += 1
    assert log.entries == 1


@pytest.mark.parametrize("begun", [False, True])
def test_an_optimizer_with_a_closure_and_batches_that_are_dictionaries(begun):
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)
    batch = {"x": torch.randn(16, 4), "y": torch.randn(16, 1)}

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(batch["x"]), batch["y"])
        loss.backward()
        return loss

    def step(lr):
        optimizer.param_groups[0]["lr"] = lr
        return optimizer.step(closure)

    if begun:
        optimizer.step(closure)
    before = [value.clone() for value in model.parameters()], str(optimizer.state_dict())
    test = sweep(step, end_lr=None, keep=[model, optimizer])
    assert test.earlier and test.lr.size
    assert all(map(torch.equal, before[0], model.parameters())) and str(optimizer.state_dict()) == before[1]
