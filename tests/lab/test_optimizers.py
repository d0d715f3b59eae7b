"""CaffeSGD against Caffe's SGDSolver, transcribed in numpy, and against torch's SGD."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clrlib import Fixed, MultiStep, Policy, ScheduleLR, Triangular2
from clrlib.lab.optimizers import OPTIMIZERS, CaffeSGD

MOVING = Triangular2(base_lr=0.01, max_lr=0.5, step_size=2)


def caffe(weights: list[np.ndarray], gradients: Sequence[list[np.ndarray]], policy: Policy) -> list[np.ndarray]:
    """SGDSolver::Regularize, ComputeUpdateValue and Net::Update, blob by blob."""
    base_decay, momentum = 0.004, 0.9
    lr_mult, decay_mult = (1, 2, 1), (1, 250, 0)
    data = [w.copy() for w in weights]
    history = [np.zeros_like(w) for w in weights]
    for iteration, diffs in enumerate(gradients):
        for k, diff in enumerate(diffs):
            local_rate, local_decay = policy(iteration) * lr_mult[k], base_decay * decay_mult[k]
            diff = diff + local_decay * data[k]
            history[k] = local_rate * diff + momentum * history[k]
            data[k] = data[k] - history[k]
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
            blob.grad = torch.from_numpy(np.asarray(diff))
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(
    "policy", [MOVING, MultiStep(0.5, milestones=(4, 7)), Fixed(0.1)], ids=lambda p: type(p).__name__
)
def test_ten_steps_agree_with_caffe(
    weights: list[np.ndarray], gradients: list[list[np.ndarray]], policy: Policy
) -> None:
    blobs = parameters(weights)
    optimizer = CaffeSGD(groups(blobs), lr=0.0, momentum=0.9)
    steps(optimizer, blobs, gradients, ScheduleLR(optimizer, policy))
    for blob, expected in zip(blobs, caffe(weights, gradients, policy), strict=True):
        np.testing.assert_allclose(blob.detach().numpy(), expected, rtol=1e-13)


def test_a_tenfold_drop_by_hand() -> None:
    """Gradient 1, momentum 0.9, rate 1 then 0.1: v = 1, then 0.9 + 0.1 (torch: 0.1 * 1.9)."""
    moved = {}
    for kind in (CaffeSGD, torch.optim.SGD):
        w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = kind([w], lr=1.0, momentum=0.9)
        for lr in (1.0, 0.1):
            optimizer.param_groups[0]["lr"] = lr
            w.grad = torch.ones_like(w)
            optimizer.step()
        moved[kind] = w.item()
    assert moved == {CaffeSGD: pytest.approx(-2.0), torch.optim.SGD: pytest.approx(-1.19)}


@pytest.mark.parametrize(("policy", "same"), [(Fixed(0.1), True), (MOVING, False)])
def test_equals_torch_at_a_constant_rate_and_only_there(
    weights: list[np.ndarray], gradients: list[list[np.ndarray]], policy: Policy, same: bool
) -> None:
    ours, theirs = parameters(weights), parameters(weights)
    for blobs, kind in ((ours, CaffeSGD), (theirs, torch.optim.SGD)):
        optimizer = kind(groups(blobs), lr=0.0, momentum=0.9)
        steps(optimizer, blobs, gradients, ScheduleLR(optimizer, policy))
    close = [torch.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(ours, theirs, strict=True)]
    assert close == [same] * 3


def test_without_momentum_equals_plain_gradient_descent() -> None:
    w = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer = CaffeSGD([w], lr=0.5, momentum=0.0, weight_decay=0.1)
    for _ in range(2):
        w.grad = torch.ones_like(w)
        optimizer.step()
    assert w.item() == pytest.approx((2 - 0.5 * (1 + 0.2)) - 0.5 * (1 + 0.14))


def test_parameters_without_a_gradient_are_left_alone() -> None:
    still, moving, lonely = (nn.Parameter(torch.ones(2)) for _ in range(3))
    optimizer = CaffeSGD([{"params": [still, moving]}, {"params": [lonely]}], lr=0.1, weight_decay=0.5)
    moving.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(still, torch.ones(2)) and torch.equal(lonely, torch.ones(2)), "not even decayed"
    assert not torch.equal(moving, torch.ones(2))
    assert set(optimizer.state) == {moving}


def test_the_gradient_is_left_as_it_was() -> None:
    w = nn.Parameter(torch.ones(2))
    w.grad = torch.full((2,), 3.0)
    CaffeSGD([w], lr=0.1, weight_decay=0.5).step()
    assert w.grad.tolist() == [3.0, 3.0]


def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(
    weights: list[np.ndarray], gradients: list[list[np.ndarray]]
) -> None:
    def begin(start: list[np.ndarray], iteration: int = 0) -> tuple[CaffeSGD, list[nn.Parameter], ScheduleLR]:
        blobs = parameters(start)
        optimizer = CaffeSGD(groups(blobs), lr=0.0, momentum=0.9)
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


def test_a_run_finds_it_by_its_name() -> None:
    assert OPTIMIZERS["caffe_sgd"] is CaffeSGD
