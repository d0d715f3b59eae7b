"""Caffe's solvers against their C++, transcribed in numpy, and against torch's where the two agree."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clrlib import Fixed, MultiStep, Policy, ScheduleLR, Triangular2
from lab.training.solvers import OPTIMIZERS, CaffeAdam, CaffeSGD, CaffeSolver

MOVING = Triangular2(base_lr=0.01, max_lr=0.5, step_size=2)


class Blob:
    """One blob under one solver: ComputeUpdateValue, line by line, in numpy. `step` returns what is subtracted."""

    def __init__(self, like: np.ndarray) -> None:
        self.history, self.history2, self.iteration = np.zeros_like(like), np.zeros_like(like), 0

    def sgd(self, diff: np.ndarray, local_rate: float, momentum: float) -> np.ndarray:
        self.history = local_rate * diff + momentum * self.history
        return self.history

    def nesterov(self, diff: np.ndarray, local_rate: float, momentum: float) -> np.ndarray:
        update = self.history.copy()
        self.history = local_rate * diff + momentum * self.history
        return (1 + momentum) * self.history + -momentum * update

    def adam(self, diff: np.ndarray, local_rate: float, beta1: float) -> np.ndarray:
        beta2, eps_hat, t = 0.999, 1e-8, self.iteration + 1
        correction = np.sqrt(1 - beta2**t) / (1 - beta1**t)
        self.history = (1 - beta1) * diff + beta1 * self.history
        self.history2 = (1 - beta2) * diff**2 + beta2 * self.history2
        return local_rate * correction * self.history / (np.sqrt(self.history2) + eps_hat)

    def rmsprop(self, diff: np.ndarray, local_rate: float, momentum: float) -> np.ndarray:
        self.history = (1 - 0.99) * diff**2 + 0.99 * self.history
        return local_rate * (diff / (np.sqrt(self.history) + 1e-8))

    def adagrad(self, diff: np.ndarray, local_rate: float, momentum: float) -> np.ndarray:
        self.history = diff**2 + self.history
        return local_rate * (diff / (np.sqrt(self.history) + 1e-8))

    def adadelta(self, diff: np.ndarray, local_rate: float, momentum: float) -> np.ndarray:
        delta = 1e-8
        self.history = (1 - momentum) * diff**2 + momentum * self.history
        update = np.sqrt((self.history2 + delta) / (self.history + delta)) * diff
        self.history2 = (1 - momentum) * update**2 + momentum * self.history2
        return local_rate * update


def caffe(
    weights: list[np.ndarray],
    gradients: Sequence[list[np.ndarray]],
    policy: Policy,
    solver: str = "sgd",
    momentum: float = 0.9,
) -> list[np.ndarray]:
    """Regularize, ComputeUpdateValue and Net::Update, blob by blob."""
    base_decay = 0.004
    lr_mult, decay_mult = (1, 2, 1), (1, 250, 0)
    data = [w.copy() for w in weights]
    blobs = [Blob(w) for w in weights]
    for iteration, diffs in enumerate(gradients):
        for k, diff in enumerate(diffs):
            local_rate, local_decay = policy(iteration) * lr_mult[k], base_decay * decay_mult[k]
            diff = diff + local_decay * data[k]
            blobs[k].iteration = iteration
            data[k] = data[k] - getattr(blobs[k], solver)(diff, local_rate, momentum)
    return data


def parameters(weights: list[np.ndarray]) -> list[nn.Parameter]:
    return [nn.Parameter(torch.from_numpy(w.copy())) for w in weights]


def groups(blobs: list[nn.Parameter]) -> list[dict[str, object]]:
    """The same multipliers as above, as parameter groups."""
    return [
        {"params": [blobs[0]], "lr_mult": 1.0, "weight_decay": 0.004},
        {"params": [blobs[1]], "lr_mult": 2.0, "weight_decay": 1.0},
        {"params": [blobs[2]], "lr_mult": 1.0, "weight_decay": 0.0},
    ]


@pytest.fixture
def weights() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in ((3, 2), (4,), ())]


@pytest.fixture
def gradients(weights: list[np.ndarray]) -> list[list[np.ndarray]]:
    random = np.random.default_rng(1)
    return [[random.normal(size=w.shape) for w in weights] for _ in range(10)]


def steps(
    optimizer: torch.optim.Optimizer,
    blobs: list[nn.Parameter],
    gradients: Sequence[list[np.ndarray]],
    schedule: ScheduleLR,
) -> None:
    for diffs in gradients:
        for blob, diff in zip(blobs, diffs, strict=True):
            blob.grad = torch.from_numpy(np.array(diff))  # a copy: some optimizers add the decay to it
        optimizer.step()
        schedule.step()


WITHOUT = {"caffe_rmsprop": 0.0, "caffe_adagrad": 0.0}  # the momentum of solvers that have none


@pytest.mark.parametrize("solver", ["sgd", "nesterov", "adam", "rmsprop", "adagrad", "adadelta"])
@pytest.mark.parametrize(
    "policy", [MOVING, MultiStep(0.5, milestones=(4, 7)), Fixed(0.1)], ids=lambda p: type(p).__name__
)
def test_ten_steps_agree_with_caffe(
    weights: list[np.ndarray], gradients: list[list[np.ndarray]], policy: Policy, solver: str
) -> None:
    name = f"caffe_{solver}"
    blobs, momentum = parameters(weights), WITHOUT.get(name, 0.9)
    optimizer = OPTIMIZERS[name](groups(blobs), lr=0.0, momentum=momentum)
    steps(optimizer, blobs, gradients, ScheduleLR(optimizer, policy))
    for blob, expected in zip(blobs, caffe(weights, gradients, policy, solver, momentum), strict=True):
        np.testing.assert_allclose(blob.detach().numpy(), expected, rtol=1e-13)


TORCHS = {
    "caffe_sgd": (torch.optim.SGD, {"momentum": 0.9}),
    "caffe_nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "caffe_adam": (torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 0.0}),
    "caffe_rmsprop": (torch.optim.RMSprop, {"alpha": 0.99, "eps": 1e-8}),
    "caffe_adagrad": (torch.optim.Adagrad, {"eps": 1e-8}),
    "caffe_adadelta": (torch.optim.Adadelta, {"rho": 0.9, "eps": 1e-8}),
}


@pytest.mark.parametrize("name", TORCHS)
def test_equals_torchs_solver_at_a_constant_rate(
    name: str, weights: list[np.ndarray], gradients: list[list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam without its eps, which the two add to different roots."""
    monkeypatch.setattr(CaffeAdam, "delta", 0.0)
    ours, theirs = parameters(weights), parameters(weights)
    kind, settings = TORCHS[name]
    momentum = WITHOUT.get(name, 0.9)
    for blobs, optimizer in (
        (ours, OPTIMIZERS[name](groups(ours), lr=0.0, momentum=momentum)),
        (theirs, kind(groups(theirs), lr=0.1, **settings)),
    ):
        steps(optimizer, blobs, gradients, ScheduleLR(optimizer, Fixed(0.1)))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", WITHOUT)
def test_solvers_without_momentum_refuse_one(name: str) -> None:
    w = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=r"momentum is 0.9; Caffe's (RMSProp|AdaGrad) has none, give 0"):
        OPTIMIZERS[name]([w], lr=0.1, momentum=0.9)


def test_parameters_without_a_gradient_are_left_alone() -> None:
    still, moving, lonely = (nn.Parameter(torch.ones(2)) for _ in range(3))
    optimizer = CaffeSGD([{"params": [still, moving]}, {"params": [lonely]}], lr=0.1, weight_decay=0.5)
    moving.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(still, torch.ones(2)) and torch.equal(lonely, torch.ones(2)), "not even decayed"
    assert not torch.equal(moving, torch.ones(2))
    assert set(optimizer.state) == {moving}
    assert moving.grad.tolist() == [1.0, 1.0], "a gradient stays as it was, without the decay"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(
    name: str, weights: list[np.ndarray], gradients: list[list[np.ndarray]]
) -> None:
    def begin(start: list[np.ndarray], iteration: int = 0) -> tuple[CaffeSolver, list[nn.Parameter], ScheduleLR]:
        blobs = parameters(start)
        optimizer = OPTIMIZERS[name](groups(blobs), lr=0.0, momentum=WITHOUT.get(name, 0.9))
        switch = getattr(optimizer, "train", None)  # schedule-free ones have a mode
        if switch is not None:
            switch()
        return optimizer, blobs, ScheduleLR(optimizer, MOVING, iteration)

    whole = begin(weights)
    steps(whole[0], whole[1], gradients, whole[2])

    first = begin(weights)
    steps(first[0], first[1], gradients[:4], first[2])
    file = io.BytesIO()
    torch.save(first[0].state_dict(), file)
    file.seek(0)
    second = begin([blob.detach().numpy() for blob in first[1]], iteration=4)
    second[0].load_state_dict(torch.load(file, weights_only=True))
    steps(second[0], second[1], gradients[4:], second[2])

    assert all(torch.equal(a, b) for a, b in zip(whole[1], second[1], strict=True))
    assert [group["lr_mult"] for group in second[0].param_groups] == [1, 2, 1]


def test_a_closure_is_called_with_gradients_on_and_its_loss_returned() -> None:
    w = nn.Parameter(torch.tensor([3.0]))
    optimizer = CaffeSGD([w], lr=0.5, momentum=0.0)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure) == 9
    assert w.item() == 0.0  # 3 - 0.5 * 6
    assert optimizer.step() is None
