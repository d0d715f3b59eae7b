"""Optimizers around others, samplers of every kind, functions with a state, gradients: a range test puts all back."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler, TensorDataset

from clrlib import ScheduleLR, Triangular, lr_range_test, lr_sweep
from clrlib._untouched import untouched

INPUTS = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
DATA = TensorDataset(INPUTS, (INPUTS[:, 0] > 0).long())
PAIR = DATA.tensors


def ranged(model, optimizer, loss_fn=F.cross_entropy, train=(PAIR,), **options):
    options = {"end_lr": 1.0, "iterations": 12} | options
    return lr_range_test(model, optimizer, loss_fn, list(train) if isinstance(train, tuple) else train, **options)


# Optimizers around others


class Lookahead(torch.optim.Optimizer):
    """Every second step it goes half way back to its slow weights; it counts its steps itself."""

    def __init__(self, inner):
        self.inner, self.param_groups, self.state, self.defaults = inner, inner.param_groups, inner.state, {}
        self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks = {}, {}
        self.slow = [p.detach().clone() for p in inner.param_groups[0]["params"]]
        self.steps = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.inner.step()
        self.steps += 1
        if self.steps % 3 == 0:
            for slow, fast in zip(self.slow, self.param_groups[0]["params"], strict=True):
                slow.lerp_(fast, 0.5)
                fast.copy_(slow)

    def zero_grad(self, set_to_none=True):
        self.inner.zero_grad(set_to_none)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    store = tmp_path_factory.mktemp("group") / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


OPTIMIZERS = {
    "lookahead": lambda parameters: Lookahead(sgd(parameters)),
    "zero": lambda parameters: ZeroRedundancyOptimizer(parameters, torch.optim.SGD, lr=0.1, momentum=0.9),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, amsgrad=True),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_training_goes_on_as_if_there_had_been_no_test(kind, one_process):
    def losses(test):
        torch.manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = OPTIMIZERS[kind]([*model.parameters()])
        found = []
        for t in range(8):
            if test and t == 4:
                ranged(model, optimizer, iterations=20)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(PAIR[0]), PAIR[1])
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    assert losses(test=True) == losses(test=False)


def test_range_tests_between_two_steps_of_a_schedule_leave_its_count_alone():
    model = nn.Linear(4, 2)
    optimizer = sgd(model.parameters())
    schedule = ScheduleLR(optimizer, Triangular(0.1, 0.2, 5))
    for _ in range(3):  # a warning is an error here
        ranged(model, optimizer, iterations=30)
        optimizer.step()
        schedule.step()


# Samplers


class Shuffled(Sampler):
    """Draws from a generator of its own."""

    def __init__(self, rng, draw):
        self.rng, self.draw = rng, draw

    def __iter__(self):
        return iter(self.draw(self.rng))

    def __len__(self):
        return 32


class Counting(Sampler):
    """Another order in each epoch, which it counts."""

    epoch = 0

    def __iter__(self):
        self.epoch += 1
        return iter(np.random.default_rng(self.epoch).permutation(32).tolist())

    def __len__(self):
        return 32


class Outer(Sampler):
    def __init__(self, inner):
        self.base_sampler = inner

    def __iter__(self):
        return iter(self.base_sampler)

    def __len__(self):
        return 32


def python_order(rng):
    return rng.sample(range(32), 32)


class Batches:
    """No DataLoader at all."""

    def __init__(self, rng):
        self.rng = rng

    def __iter__(self):
        return ((INPUTS[i : i + 4], PAIR[1][i : i + 4]) for i in self.rng.permutation(28).tolist())


def seeded():
    return torch.Generator().manual_seed(3)


LOADERS = {
    "loader": lambda: DataLoader(DATA, 4, shuffle=True, generator=seeded()),
    "batch sampler as sampler": lambda: DataLoader(
        DATA, sampler=BatchSampler(RandomSampler(DATA, generator=seeded()), 4, False), batch_size=None
    ),
    "numpy generator": lambda: DataLoader(
        DATA, 4, sampler=Shuffled(np.random.default_rng(3), lambda rng: rng.permutation(32).tolist())
    ),
    "numpy random state": lambda: DataLoader(
        DATA, 4, sampler=Shuffled(np.random.RandomState(3), lambda rng: rng.permutation(32).tolist())
    ),
    "Python generator": lambda: DataLoader(DATA, 4, sampler=Shuffled(random.Random(3), python_order)),
    "epoch count": lambda: DataLoader(DATA, 4, sampler=Counting()),
    "sampler in a sampler": lambda: DataLoader(DATA, 4, sampler=Outer(Outer(Counting()))),
    "batch sampler": lambda: DataLoader(DATA, batch_sampler=BatchSampler(Outer(Counting()), 4, False)),
    "iterable of its own": lambda: Batches(np.random.default_rng(3)),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_the_order_of_the_data_is_what_it_would_have_been(kind):
    def order(test):
        torch.manual_seed(0)
        loader, model = LOADERS[kind](), nn.Linear(4, 2)
        seen = []
        for epoch in range(3):
            if test and epoch:
                ranged(model, sgd(model.parameters()), train=loader, iterations=11)
            seen += [targets.tolist() for _, targets in loader]
        return seen

    assert order(test=True) == order(test=False)
    assert order(test=False)[:8] != order(test=False)[8:16], "what is compared does change"


@pytest.mark.parametrize(
    "rng", [np.random.default_rng(3), random.Random(3), torch.Generator().manual_seed(3)], ids=type
)
def test_generators_and_samplers_may_be_named(rng):
    def draw():
        return torch.rand(1, generator=rng).item() if isinstance(rng, torch.Generator) else rng.random()

    sampler = Counting()
    first = []
    for _ in range(2):
        lr_sweep(
            lambda lr: first.append(draw()) or float(len([*sampler])), end_lr=1.0, iterations=2, keep=[rng, sampler]
        )
    assert first[:2] == first[2:] and sampler.epoch == 0


# Functions with a state, scripted models, averages


class Counts(nn.Module):
    """A loss that remembers."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, outputs, targets):
        self.seen += len(targets)
        return F.cross_entropy(outputs, targets)

    def method(self, outputs, targets):
        return self(outputs, targets)


@pytest.mark.parametrize("as_method", [False, True])
@pytest.mark.parametrize("place", ["loss_fn", "metric"])
def test_buffers_of_a_loss_or_metric_come_back(place, as_method):
    model, counts = nn.Linear(4, 2), Counts()
    function = counts.method if as_method else counts
    options = {"heldout_batches": [PAIR], "lower_is_better": True} | {place: function}
    ranged(model, sgd(model.parameters()), **options)
    assert counts.seen.item() == 0


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_buffers_of_a_scripted_model_come_back():
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ranged(model, sgd(model.parameters()))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_average_that_a_hook_updates_is_kept_by_name():
    model = nn.Linear(4, 2)
    optimizer = sgd(model.parameters())
    average = torch.optim.swa_utils.AveragedModel(model)
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(model))
    before = {name: value.clone() for name, value in average.state_dict().items()}
    ranged(model, optimizer, keep=[average])
    assert all(torch.equal(value, before[name]) for name, value in average.state_dict().items())
    ranged(model, optimizer)
    assert not torch.equal(average.state_dict()["n_averaged"], before["n_averaged"])


# Gradients


def test_gradients_are_set_aside_not_copied():
    model = nn.Linear(4, 2)
    model(INPUTS).sum().backward()
    gradient, content = model.weight.grad, model.weight.grad.clone()
    with untouched(model):
        assert model.weight.grad is None
        model(INPUTS).square().sum().backward()
        assert model.weight.grad is not gradient
    assert model.weight.grad is gradient and torch.equal(gradient, content)


def test_gradients_that_are_views_into_a_bucket_are_copied():
    model, bucket = nn.Linear(4, 2), torch.ones(20)
    model.weight.grad = bucket[:8].view(2, 4)
    with untouched(model):
        bucket.fill_(7.0)
    assert model.weight.grad.tolist() == [[1.0] * 4] * 2


def test_sparse_gradients_come_back():
    table = nn.Embedding(5, 2, sparse=True)
    table(torch.tensor([1, 1])).sum().backward()
    gradient = table.weight.grad
    with untouched(table):
        table.weight.grad = None
    assert table.weight.grad is gradient


@pytest.mark.parametrize("thing", [np.ones(3), [torch.ones(2)], {"a": {torch.ones(1)}}], ids=repr)
def test_arrays_and_containers_come_back(thing):
    before = repr(thing)
    with untouched(thing):
        if isinstance(thing, np.ndarray):
            thing += 1
        else:
            thing.clear()
    assert repr(thing) == before


def test_lists_of_numbers_in_an_optimizer_come_back():
    optimizer = sgd(nn.Linear(4, 2).parameters())
    optimizer.log, optimizer.state["all"] = [1.0], {"rates": [[0.1], 0.2]}
    with untouched(optimizer):
        optimizer.log.append(2.0)
        optimizer.state["all"]["rates"][0].clear()
    assert (optimizer.log, optimizer.state["all"]) == ([1.0], {"rates": [[0.1], 0.2]})
