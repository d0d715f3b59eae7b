import copy
import functools
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from clrlib import ScheduleLR, Triangular, lr_range_test
from clrlib._untouched import untouched

pytestmark = pytest.mark.usefixtures("one_thread")


# The test itself


def data(n=64):
    inputs = torch.randn(n, 4, generator=torch.Generator().manual_seed(1))
    return TensorDataset(inputs, (inputs[:, 0] + inputs[:, 1] > 0).long())


def batches(n=64, size=16):
    return list(DataLoader(data(n), batch_size=size, generator=torch.Generator()))


class Net(nn.Module):
    """A bit of everything that carries a state: batch norm, dropout, buffers that are not saved or get replaced."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
        self.register_buffer("passes", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(4), persistent=False)

    def forward(self, inputs):
        self.passes = self.passes + 1  # replaced
        self.mean.lerp_(inputs.mean(0), 0.1)  # in place, and not in the state_dict
        return self.layers(inputs - self.mean)


def net(seed=0):
    torch.manual_seed(seed)
    return Net()


def run(model=None, optimizer=None, loss_fn=F.cross_entropy, train=None, heldout=None, **options):
    model = model or nn.Linear(4, 2)
    optimizer = optimizer or torch.optim.SGD(model.parameters())
    options = {"end_lr": 1.0, "iterations": 10, "evaluate_every": 2} | options
    return lr_range_test(model, optimizer, loss_fn, train or batches(), heldout or batches(), **options)


def spied(*args, **options):
    """An SGD, and a list that gets the rate of each group at each step. (A list of its own would be put back.)"""
    optimizer, used = torch.optim.SGD(*args, **options), []
    optimizer.register_step_pre_hook(lambda o, *_: used.append([float(group["lr"]) for group in o.param_groups]))
    return optimizer, used


def everything(model, optimizer):
    """All that a training depends on, as bytes, with the identity of each object."""
    state = [*model.named_parameters(), *model.named_buffers()]
    state += [(name, parameter.grad) for name, parameter in model.named_parameters()]
    for parameter, values in optimizer.state.items():
        state += [(id(parameter), id(values)), *values.items()]
    for group in optimizer.param_groups:
        state += [(id(group), id(group["params"])), *group.items()]
    plain = [(n, id(v), v.detach().numpy().tobytes()) if isinstance(v, torch.Tensor) else (n, v) for n, v in state]
    plain = [(name, [id(p) for p in rest[0]]) if name == "params" else (name, *rest) for name, *rest in plain]
    modes = [module.training for module in model.modules()]
    numpy_state = np.random.get_state()
    rng = random.getstate(), numpy_state[1].tobytes(), numpy_state[2:], torch.get_rng_state().numpy().tobytes()
    return plain, modes, rng


def test_the_sweep_is_linear_from_exactly_0_and_records_the_rate_used():
    model = nn.Linear(4, 2)
    optimizer, used = spied(model.parameters(), lr=0.05)
    test = run(model, optimizer, end_lr=0.02, iterations=41, evaluate_every=1)
    used = [rate for (rate,) in used]
    assert used[0] == 0.0
    assert used[-1] == 0.02
    np.testing.assert_allclose(used, np.linspace(0, 0.02, 41), rtol=1e-14)
    np.testing.assert_array_equal(test.lr, used)
    assert test.stopped is None


def test_accuracy_is_the_fraction_right_of_all_heldout_batches_in_eval_mode():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.dropout = nn.Dropout(0.9)

        def forward(self, inputs):
            modes.append((self.training, self.dropout.training, torch.is_grad_enabled()))
            return F.one_hot((inputs[:, 0] > 0).long(), 2) + self.dropout(self.weight)

    modes = []
    heldout = [(torch.tensor([[1.0], [1.0], [-1.0]]), torch.tensor([1, 0, 0])), (torch.ones(1, 1), torch.tensor([1]))]
    test = run(Half(), train=heldout, heldout=heldout, iterations=2, evaluate_every=1)
    assert test.accuracy.tolist() == [0.75, 0.75]
    assert modes == [(True, True, True), (False, False, False), (False, False, False)] * 2


def test_training_batches_are_gone_through_again_in_a_new_order():
    seen = []

    def loss_fn(scores, targets):
        seen.append(targets.tolist())
        return F.cross_entropy(scores, targets)

    inputs = torch.zeros(4, 4)
    loader = DataLoader(TensorDataset(inputs, torch.arange(4)), batch_size=1, shuffle=True)
    run(nn.Linear(4, 4), loss_fn=loss_fn, train=loader, iterations=40, evaluate_every=40)
    epochs = [tuple(label for (label,) in seen[i : i + 4]) for i in range(0, 40, 4)]
    assert all(sorted(epoch) == [0, 1, 2, 3] for epoch in epochs)
    assert len(set(epochs)) > 1


def test_layers_kept_in_eval_mode_stay_so_in_training():
    model = net()
    model.layers[1].eval()
    mean = model.layers[1].running_mean.clone()

    def loss_fn(scores, targets):
        assert model.training
        assert not model.layers[1].training
        torch.testing.assert_close(model.layers[1].running_mean, mean, rtol=0, atol=0)
        return F.cross_entropy(scores, targets)

    run(model, loss_fn=loss_fn)
    assert [module.training for module in model.layers] == [True, False, True, True, True]


# What it leaves behind


def train(seed, before=lambda model, optimizer, loader: None):
    """A short training whose every random number counts; returns the weights and the losses."""
    random.seed(seed)
    np.random.seed(seed)
    model = net(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    schedule = ScheduleLR(optimizer, Triangular(0.01, 0.1, 5))
    loader = DataLoader(data(), batch_size=16, shuffle=True)
    losses = []
    for epoch in range(4):
        if epoch in (0, 2):  # at the start, and in the middle where the momentum is not 0
            before(model, optimizer, loader)
        for inputs, targets in loader:
            noise = random.random() + np.random.rand()
            loss = F.cross_entropy(model(inputs + 0.01 * noise), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return losses, [value.tolist() for value in model.state_dict().values()]


def test_training_is_bit_identical_with_and_without_a_range_test():
    def before(model, optimizer, loader):
        def noisy(scores, targets):
            return F.cross_entropy(scores, targets) * (1 + random.random() + np.random.rand())

        test = lr_range_test(model, optimizer, noisy, loader, loader, end_lr=3.0, iterations=10, evaluate_every=2)
        assert test.lr.size == 6

    assert train(0, before) == train(0)
    assert train(0) != train(1)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "Adagrad", "RMSprop"])
@pytest.mark.parametrize("fault", [None, KeyboardInterrupt, RuntimeError, "loader", "heldout"])
def test_everything_is_put_back_whatever_happens(kind, fault):
    model = net()
    model.layers[3].eval()
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.05)
    for inputs, targets in batches():
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    model.layers[4].bias.grad = None  # the others keep a gradient
    before = everything(model, optimizer)
    calls = 0

    def loss_fn(scores, targets):
        nonlocal calls
        calls += 1
        if calls == 4 and isinstance(fault, type):
            raise fault
        return F.cross_entropy(scores, targets) * random.random() * np.random.rand()

    def failing():
        yield from batches()[:3]
        raise OSError("disk gone")

    class Failing:
        def __iter__(self):
            return failing()

    options = {"loader": {"train": Failing()}, "heldout": {"heldout": Failing()}}.get(fault, {})
    if fault is None:
        assert run(model, optimizer, loss_fn).lr.size == 6
    else:
        with pytest.raises(fault if isinstance(fault, type) else OSError):
            run(model, optimizer, loss_fn, **options)
    assert everything(model, optimizer) == before
    assert model.layers[4].bias.grad is None


def test_a_tensor_rate_stays_the_same_tensor():
    model = nn.Linear(4, 2)
    tensor = torch.tensor(0.05, dtype=torch.float64)
    optimizer = torch.optim.Adam(model.parameters(), lr=tensor)
    run(model, optimizer)
    assert optimizer.param_groups[0]["lr"] is tensor
    assert tensor.item() == 0.05


@pytest.mark.parametrize("training", [True, False])
def test_modes_are_put_back(training):
    model = net().train(training)
    model.layers[1].train(not training)
    modes = [module.training for module in model.modules()]
    run(model)
    assert [module.training for module in model.modules()] == modes


class Augmented(Dataset):
    """Draws from the random state of its worker process."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return torch.rand(4), i % 2


def test_persistent_workers_are_not_disturbed():
    def epochs(test):
        torch.manual_seed(0)
        loader = DataLoader(Augmented(), batch_size=4, num_workers=1, persistent_workers=True)
        seen = []
        for epoch in range(2):
            for inputs, _ in loader:
                seen.append(inputs.tolist())
                if test and epoch == 0:  # in the middle of a pass
                    run(train=loader, iterations=3, evaluate_every=3)
        return seen

    assert epochs(test=True) == epochs(test=False)


def test_shared_parameters_and_those_outside_the_model_are_put_back():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    extra = nn.Parameter(torch.ones(4))
    optimizer = torch.optim.SGD([*model.parameters(), extra], momentum=0.9)
    before = [value.detach().clone() for value in (*model.parameters(), extra)]
    run(model, optimizer, lambda scores, targets: F.cross_entropy(scores * extra, targets))
    assert all(map(torch.equal, (*model.parameters(), extra), before))
    assert model[1].weight is model[0].weight


def test_untouched_undoes_whatever_is_done_inside():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(2, 4)).sum().backward()
    before = everything(model, optimizer)
    with pytest.raises(KeyboardInterrupt), untouched(model, optimizer):
        optimizer.zero_grad(set_to_none=False)
        model.layers[0].weight = nn.Parameter(torch.zeros(8, 4))
        model.layers[4].bias.requires_grad_(True).grad = torch.ones(2)
        model.register_buffer("new", torch.zeros(1))
        model.register_buffer("mean", torch.ones(4))  # now it would be saved
        optimizer.param_groups.append({"params": [model.layers[0].weight]})
        optimizer.param_groups[0]["lr"] = 7
        optimizer.param_groups[0]["new"] = 1
        raise KeyboardInterrupt
    assert everything(model, optimizer) == before
    assert "mean" not in model.state_dict()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_batches_are_moved_and_the_random_state_is_put_back():
    model = net().cuda()
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    before, weights = torch.cuda.get_rng_state_all(), copy.deepcopy(model.state_dict())
    assert run(model, optimizer).lr.size == 5
    assert all(map(torch.equal, torch.cuda.get_rng_state_all(), before))
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_nothing_is_printed_and_no_plotting_library_imported(capfd):
    run()
    assert capfd.readouterr() == ("", "")
    heavy = "{'matplotlib', 'pandas', 'torchvision', 'sklearn', 'torch._dynamo'}"
    subprocess.run([sys.executable, "-c", f"import sys, clrlib; assert not {heavy} & {{*sys.modules}}"], check=True)


# How it ends early


@pytest.mark.parametrize(("at", "points", "value"), [(0, 0, float("nan")), (7, 4, float("inf"))])
def test_a_loss_that_is_not_finite_ends_the_test_and_keeps_what_it_had(at, points, value):
    calls = 0

    def loss_fn(scores, targets):
        nonlocal calls
        calls += 1
        return F.cross_entropy(scores, targets) * (value if calls > at else 1)

    model = nn.Linear(4, 2)
    optimizer, used = spied(model.parameters())
    before = model.weight.detach().clone()
    test = run(model, optimizer, loss_fn)
    assert calls == at + 1
    assert len(used) == at, "no step with a gradient that is not finite"
    assert test.lr.size == test.accuracy.size == points
    assert test.stopped == f"training loss {value} at iteration {at}, learning rate {at / 9:.6g}"
    assert torch.equal(model.weight, before)
    assert test.bounds().reason.startswith("no clear answer: ")
    assert test.stopped in str(test)


def test_an_update_that_breaks_the_net_stops_the_test_without_a_made_up_accuracy():
    model = nn.Linear(4, 2)
    calls = 0

    def loss_fn(scores, targets):
        nonlocal calls
        calls += 1
        if calls == 10:  # the last iteration: a finite loss whose gradient is not
            scores.register_hook(lambda gradient: gradient * float("nan"))
        return F.cross_entropy(scores, targets)

    test = run(model, torch.optim.SGD(model.parameters()), loss_fn)
    assert test.stopped is not None
    assert test.stopped.startswith("accuracy nan after iteration 9, learning rate 1")
    assert test.lr[-1] < 1.0


# Other metrics, other sweeps, other finders' defects


def test_every_training_batch_can_be_measured_instead_of_held_out_ones():
    losses = []

    def loss_fn(scores, targets):
        losses.append(F.cross_entropy(scores, targets))
        return losses[-1]

    model = nn.Linear(4, 2)
    test = lr_range_test(model, torch.optim.SGD(model.parameters()), loss_fn, batches(), end_lr=1.0, iterations=9)
    assert (test.metric, test.lower_is_better) == ("accuracy", False)
    assert test.lr.size == len(losses) == 9
    test = run_on_training_batches(metric="loss", evaluate_every=4)
    np.testing.assert_allclose(test.lr, np.array([0, 3, 7, 9]) / 9, rtol=1e-15)


def run_on_training_batches(model=None, optimizer=None, loss_fn=F.cross_entropy, **options):
    model = model or net()
    optimizer = optimizer or torch.optim.SGD(model.parameters())
    return lr_range_test(model, optimizer, loss_fn, batches(), **({"end_lr": 1.0, "iterations": 10} | options))


def test_the_loss_of_a_training_batch_is_that_before_its_update():
    model, losses = nn.Linear(4, 2), []
    weights = copy.deepcopy(model.state_dict())
    test = run_on_training_batches(model, metric="loss")
    optimizer = torch.optim.SGD(model.parameters())
    for lr, (inputs, targets) in zip(test.lr, (batches() * 3)[:10], strict=True):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert test.values.tolist() == losses
    assert not torch.equal(model.weight, weights["weight"])


def test_the_loss_on_held_out_data_is_its_mean_over_all_examples():
    model = nn.Linear(4, 2)
    inputs, targets = data(40).tensors
    test = run(model, heldout=[(inputs[:30], targets[:30]), (inputs[30:], targets[30:])], metric="loss")
    assert (test.metric, test.lower_is_better) == ("loss", True)
    assert test.values[0] == pytest.approx(F.cross_entropy(model(inputs), targets).item(), abs=1e-6)


@pytest.mark.parametrize("lower", [False, True])
def test_any_function_of_outputs_and_targets_is_a_metric(lower):
    def error(outputs, targets):
        return (outputs[:, 0] - targets).abs().mean()

    inputs = torch.randn(8, 4)
    pairs = [(inputs, inputs.sum(1))]
    options = {"end_lr": 0.1, "iterations": 5, "metric": error} | ({"lower_is_better": True} if lower else {})
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters())
    for heldout in (pairs, None):
        test = lr_range_test(model, optimizer, lambda o, t: F.mse_loss(o[:, 0], t), pairs, heldout, **options)
        assert (test.metric, test.lower_is_better) == ("error", lower)
        assert test.values[0] == pytest.approx(error(model(inputs), pairs[0][1]).item())


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ({"lr": 0.1}, {"lr": 0.4}, (1, 4)),
        ({"lr": 0.4}, {"lr": 0.1}, (4, 1)),
        ({"lr": 0.0}, {"lr": 0.0}, (4, 4)),
        ({"lr": 0.1}, {"lr": 0.0}, (4, 0)),  # a group of rate 0 stays where it is
        ({"lr": 0.1}, {"lr": 0.4, "lr_mult": 2.0}, (4, 8)),
    ],
    ids=repr,
)
def test_groups_of_different_rates_keep_their_ratios_where_none_has_an_lr_mult(first, second, ratio):
    model = nn.Linear(4, 2)
    optimizer, used = spied([{"params": [model.weight], **first}, {"params": [model.bias], **second}])
    before = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    test = run(model, optimizer, evaluate_every=1)
    np.testing.assert_allclose(used, np.stack([test.lr * share / 4 for share in ratio], axis=1), rtol=1e-15)
    assert [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups] == before


# What users have: refused in one sentence, or right


def frozen():
    return nn.Linear(4, 2).requires_grad_(False)


class Sharp(torch.optim.SGD):
    """As SAM is usually written."""

    def first_step(self):
        raise AssertionError


class Asserting(torch.optim.SGD):
    """As SAM is written elsewhere."""

    def step(self, closure=None):
        assert closure is not None, "it needs two gradients"


class Wrapped(nn.Linear):
    def forward(self, inputs):
        return {"logits": super().forward(inputs)}


ALIKE = torch.optim.SGD
REFUSED = {
    "no rising rate": ({"start_lr": 1.0, "end_lr": 1.0}, "start_lr 1.0 is not below end_lr 1.0; the test needs"),
    "an unknown metric": ({"metric": "f1"}, 'metric is \'f1\'; give "accuracy", "loss" or a function of'),
    "no multiplier": ({"lr_mult": -2.0}, "lr_mult of group 0 is -2.0; a learning rate must be 0 or more"),
    "no rate": ({"lr": None}, "a group of SGD has no lr, so that it sets its own; give it a number"),
    "no batch": ({"train": iter(())}, "train_batches gave no batch; give a DataLoader or a list"),
    "an iterator": ({"train": iter(batches())}, "train_batches gave no batch; give a DataLoader or a list"),
    "no held-out batch": ({"heldout": iter(())}, "heldout_batches gave no batch; give a DataLoader or a list"),
    "a held-out iterator": ({"heldout": iter(batches())}, "heldout_batches gave no batch; give a DataLoader"),
    "inputs alone": ({"train": [torch.zeros(2, 4)]}, "train_batches gave a Tensor that is not a pair of tensors"),
    "a dict": ({"heldout": [{"x": 1}]}, "heldout_batches gave a dict that is not a pair of tensors (input, target)"),
    "no classes": (
        {"heldout": [(torch.zeros(3, 4), torch.zeros(3, 2).long())]},
        "the model gives scores (3, 2) for targets (3, 2); give scores (N, classes) and class numbers (N,)",
    ),
    "Rprop": ({"make": torch.optim.Rprop}, "Rprop sizes its steps itself"),
    "ASGD": ({"make": torch.optim.ASGD}, "ASGD sizes its steps itself"),
    "LBFGS": ({"make": torch.optim.LBFGS}, "LBFGS.step() needs a closure; call lr_sweep(step, "),
    "SAM": ({"make": Sharp}, "Sharp.step() needs a closure; call lr_sweep(step, "),
    "a closure that is asserted": ({"make": Asserting}, "Asserting.step() needs a closure, it seems; call lr_sweep("),
    "no gradient": ({"model": frozen()}, "the loss has no gradient; let a parameter"),
    "loss of each": ({"loss_fn": nn.CrossEntropyLoss(reduction="none")}, "gave a tensor of shape (16,); return"),
    "plain loss": ({"loss_fn": lambda s, t: 0.5}, "loss_fn gave a float; return the mean loss, a tensor"),
    "no metric": ({"metric": lambda s, t: None}, "metric returned a NoneType; return"),
    "many metrics": ({"metric": lambda s, t: {"f1": 1}}, "metric returned a dict; return"),
    "a function": ({"model": lambda x: x, "make": lambda _: ALIKE([torch.ones(1)])}, "model is a function"),
    "one score": ({"model": nn.Linear(4, 1), "loss_fn": lambda s, t: s.mean()}, "scores (16, 1) for targets (16,)"),
    "flat scores": (
        {"model": nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), "loss_fn": lambda s, t: s.mean()},
        "the model gives scores (16,) for targets (16,)",
    ),
    "outputs as a dict": (
        {"model": Wrapped(4, 2), "loss_fn": lambda out, t: F.cross_entropy(out["logits"], t)},
        "the model gives a dict, of which there is no accuracy; let it give scores",
    ),
    "two inputs": ({"train": [(torch.ones(2, 4), torch.ones(2, 4), torch.ones(2))]}, "call lr_sweep(step, "),
    "tuple targets": ({"train": [(torch.ones(2, 4), (torch.ones(2), torch.ones(2)))]}, "not a pair of tensors"),
    "no held-out example": ({"heldout": [(torch.ones(0, 4), torch.ones(0).long())]}, "heldout_batches gave no example"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_test_is_refused_in_one_sentence_and_changes_nothing(name):
    options, message = REFUSED[name]
    options = dict(options)
    model, make = (
        options.pop("model", nn.Linear(4, 2)),
        options.pop("make", lambda parameters: ALIKE(parameters, lr=0.1)),
    )
    known = model if isinstance(model, nn.Module) else nn.Identity()
    optimizer = make([*known.parameters()])
    optimizer.param_groups[0].update({key: options.pop(key) for key in ("lr", "lr_mult") if key in options})
    before = everything(known, optimizer)
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        run(model, optimizer, heldout=options.pop("heldout", None) or batches(), **options)
    assert everything(known, optimizer) == before


def test_other_errors_of_the_model_stay_what_they_are():
    class Broken(nn.Linear):
        def forward(self, inputs):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        run(Broken(4, 2))


@pytest.mark.parametrize(
    ("loss_fn", "ignored"),
    [
        (F.cross_entropy, -100),
        (nn.CrossEntropyLoss(ignore_index=0), 0),
        (functools.partial(F.cross_entropy, ignore_index=7), 7),
    ],
    ids=["a function", "a module", "a partial"],  # a repr would hold an address, another one in each process
)
@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_ignored_targets_count_for_nothing(loss_fn, ignored, metric):
    inputs = torch.eye(4) * 20
    targets = torch.tensor([1, 2, 3, ignored])
    model = nn.Linear(4, 4, bias=False)
    model.weight.data = torch.eye(4)[:, [3, 0, 1, 2]].T.roll(0, 0) * 1.0
    scores = model(inputs)
    right = (scores.argmax(1) == targets)[:3]
    heldout = [(inputs, targets), (inputs[3:], targets[3:]), (inputs[:1], targets[:1])]
    test = run(model, loss_fn=loss_fn, train=heldout[:1], heldout=heldout, iterations=2, end_lr=1e-9, metric=metric)
    each = [*right.float(), right[0].float()] if metric == "accuracy" else None
    expected = sum(each) / 4 if each else F.cross_entropy(scores[[0, 1, 2, 0]], targets[[0, 1, 2, 0]]).detach()
    assert test.values[0] == pytest.approx(float(expected), rel=1e-5)


def test_masked_scores_have_an_accuracy_and_those_that_are_nothing_have_none():
    def masked(value):
        class Masked(nn.Linear):
            def forward(self, inputs):
                return torch.cat([super().forward(inputs), torch.full((len(inputs), 1), value)], 1)

        return Masked(4, 2)

    assert run(masked(-float("inf"))).values.size == 6
    test = run(masked(float("nan")), loss_fn=lambda s, t: F.cross_entropy(s[:, :2], t))
    assert test.values.size == 0 and test.stopped.startswith("accuracy nan after iteration 0")


def test_autocast_uses_the_weights_of_each_step():
    def losses():
        torch.manual_seed(0)
        return run(nn.Linear(4, 2), end_lr=5.0, iterations=20, heldout=batches()).training.values

    with torch.autocast("cpu", torch.bfloat16):
        cast = losses()
        model, weight = nn.Linear(4, 2), torch.ones(3, 4)
        before = model(weight)
        run(model, end_lr=5.0)
        assert torch.equal(model(weight), before)
    np.testing.assert_allclose(cast, losses(), rtol=0.05)


def test_schedule_free_weights_are_evaluated_in_their_own_mode():
    schedulefree = pytest.importorskip("schedulefree")
    model, modes = nn.Linear(4, 2), []
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), lr=0.1)

    def error(outputs, targets):
        modes.append(optimizer.param_groups[0]["train_mode"])
        return (outputs.argmax(1) != targets).float().mean()

    optimizer.eval()
    before = [value.detach().clone() for value in model.parameters()]
    run(model, optimizer, metric=error)
    assert modes and not any(modes)
    assert optimizer.param_groups[0]["train_mode"] is False
    assert all(map(torch.equal, before, model.parameters()))


RANKS = """
import sys, torch, torch.distributed as dist
from torch import nn
from clrlib import lr_range_test, lr_sweep
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
torch.manual_seed(0)
inputs = torch.randn(64, 4) * (1 + 5 * rank)
data = [(inputs, (inputs[:, 0] > 0).long())]
heldout = [(inputs[: 16 + 16 * rank], data[0][1][: 16 + 16 * rank])]
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2))
optimizer = torch.optim.SGD(model.parameters())
test = lr_range_test(model, optimizer, nn.CrossEntropyLoss(), data, heldout, end_lr=2.0, iterations=40)
swept = lr_sweep(lambda lr: 1.0 if lr < 0.5 or rank else 99.0, end_lr=1.0, iterations=20)
print(test.values.tolist(), test.training.values.tolist(), test.stopped, swept.values.tolist(), swept.stopped)
dist.destroy_process_group()
"""


def test_two_processes_see_one_curve(tmp_path):
    command = [sys.executable, "-c", RANKS]
    both = [
        subprocess.Popen([*command, str(rank), tmp_path / "store"], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    said = [process.communicate(timeout=300)[0].splitlines()[-1] for process in both]
    assert said[0] == said[1] and "training loss 50 at iteration 12" in said[0]


def test_lazy_layers_are_refused_until_they_have_weights():
    model = nn.LazyLinear(2)
    optimizer = torch.optim.SGD(model.parameters())
    with pytest.raises(ValueError, match=r"the model has lazy layers, .*; run one batch through it first"):
        run(model, optimizer)
    model(torch.ones(1, 4))
    assert run(model, optimizer).lr.size


def test_a_last_batch_of_one_before_batch_normalisation_names_drop_last():
    with pytest.raises(ValueError, match=r"a batch of one example, .*; give the DataLoader drop_last=True"):
        run(net(), train=batches(n=17), heldout=batches())
