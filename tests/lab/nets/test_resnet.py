"""Residual nets against He's definition in plain torch, stochastic depth against its paper's."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from made_nets import Weights, assert_starts_as_hes, lively, normalised, pictures, seeded, state
from torch import Tensor

from lab.nets.resnet import Block, ResNet


def option_a(x: Tensor, width: int) -> Tensor:
    """Pixel (2 i, 2 j) to (i, j), and channels of zeros behind the old ones."""
    if x.shape[1] == width:
        return x
    y = torch.zeros(len(x), width, x.shape[2] // 2, x.shape[3] // 2, dtype=x.dtype)
    for i, j in product(range(y.shape[2]), range(y.shape[3])):
        y[:, : x.shape[1], i, j] = x[:, :, 2 * i, 2 * j]
    return y


def reference(p: Weights, x: Tensor, n: int, training: bool, survival: float = 1.0) -> Tensor:
    x = normalised(F.conv2d(x, p["first.weight"], padding=1), p, "norm", training).clamp(min=0)
    for k in range(3 * n):
        name, width, stride = f"blocks.{k}", 16 * 2 ** (k // n), 2 if k in (n, 2 * n) else 1
        y = F.conv2d(x, p[f"{name}.conv1.weight"], stride=stride, padding=1)
        y = normalised(y, p, f"{name}.norm1", training).clamp(min=0)
        y = normalised(F.conv2d(y, p[f"{name}.conv2.weight"], padding=1), p, f"{name}.norm2", training)
        chance = 1 - (k + 1) / (3 * n) * (1 - survival)
        x = (option_a(x, width) + chance * y).clamp(min=0)
    return x.mean((2, 3)) @ p["last.weight"].T + p["last.bias"]


@pytest.mark.parametrize(
    ("depth", "training", "survival"), [(8, True, 1), (14, True, 1), (14, False, 1), (14, False, 0.5), (14, False, 0.2)]
)
def test_scores_are_the_definitions(depth: int, training: bool, survival: float) -> None:
    """In evaluation every block counts times its chance."""
    net, x = lively(ResNet(depth, seeded(0), survival=survival)), pictures()
    expected = reference(state(net), x, (depth - 2) // 6, training, survival)
    assert expected.std() > 0.1
    torch.testing.assert_close(net.train(training)(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("depth", "count"), [(8, 75_290), (20, 269_722), (56, 853_018), (110, 1_727_962)])
def test_parameter_counts_are_those_of_table_6(depth: int, count: int) -> None:
    """0.27, 0.85 and 1.7 million; stochastic depth and option A add none."""
    assert sum(p.numel() for p in ResNet(depth, seeded(0), survival=0.5).parameters()) == count


@pytest.mark.parametrize("depth", [-4, 2, 19, 21])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"^depth is {depth}; give 6 n \+ 2, such as 20, 56 or 110$"):
        ResNet(depth, seeded(0))


def test_weights_start_as_in_the_original() -> None:
    assert_starts_as_hes(ResNet(20, seeded(0), classes=100))


# --- stochastic depth ----------------------------------------------------------------------------------------------


def kept(net: ResNet, x: Tensor) -> tuple[bool, ...]:
    """For each block, whether it took part in a forward pass."""
    seen: set[int] = set()
    hooks = [block.conv1.register_forward_hook(lambda *_, k=k: seen.add(k)) for k, block in enumerate(net.blocks)]
    net(x)
    for hook in hooks:
        hook.remove()
    return tuple(k in seen for k in range(len(net.blocks)))


def test_each_block_survives_as_often_as_it_should_and_by_a_draw_of_its_own() -> None:
    net, x, draws = ResNet(8, seeded(0), survival=0.5), pictures(2, side=4).float(), 300
    torch.manual_seed(0)
    patterns = [kept(net, x) for _ in range(draws)]
    for pattern in product((True, False), repeat=3):
        chance = 1.0
        for here, survival in zip(pattern, (5 / 6, 4 / 6, 3 / 6), strict=True):
            chance *= survival if here else 1 - survival
        deviation = (draws * chance * (1 - chance)) ** 0.5
        assert patterns.count(pattern) == pytest.approx(draws * chance, abs=4 * deviation)


def test_the_draws_come_from_torchs_seed_in_training_alone() -> None:
    net, x, patterns = ResNet(20, seeded(0), survival=0.5), pictures(2, side=8).float(), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        patterns.append([kept(net, x) for _ in range(3)])
    assert patterns[0] == patterns[1] != patterns[2]
    for still in (ResNet(20, seeded(0)), net.eval()):
        before = torch.get_rng_state()
        assert all(kept(still, x)) and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("channels", "width"), [(8, 8), (8, 16)])
def test_a_dropped_block_is_its_shortcut_and_touches_nothing(channels: int, width: int) -> None:
    block = Block(channels, width, survival=0.0).double()
    before = state(block)
    x = torch.randn(3, channels, 6, 6, dtype=torch.float64, generator=seeded(2)).requires_grad_()
    y = block(x)
    assert torch.equal(y, option_a(x, width).clamp(min=0))
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())
    y.sum().backward()
    assert all(p.grad is None for p in block.parameters())


def test_a_kept_block_is_not_scaled_in_training() -> None:
    torch.manual_seed(0)
    sure, unsure = Block(4, 4, survival=1.0), Block(4, 4, survival=0.999)
    unsure.load_state_dict(sure.state_dict())
    x = torch.randn(3, 4, 6, 6, generator=seeded(2))
    assert torch.equal(sure(x), unsure(x))
