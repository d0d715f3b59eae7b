"""Residual nets against He's definition in plain torch, stochastic depth against its paper's."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lab.nets.resnet import Block, ResNet

Weights = dict[str, Tensor]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 4, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, dtype=torch.float64, generator=seeded(1))


def lively(net: torch.nn.Module) -> torch.nn.Module:
    """In float64, with norms whose weights, biases and statistics all show in the scores."""
    net = net.double()
    with torch.no_grad():
        for k, (name, value) in enumerate(net.state_dict().items()):
            if "norm" in name and value.ndim == 1:
                value.uniform_(0.5, 1.5, generator=seeded(k))
            elif name == "last.bias":
                value.normal_(generator=seeded(k))
    return net


def normalised(x: Tensor, p: Weights, name: str, training: bool) -> Tensor:
    mean, variance = p[f"{name}.running_mean"], p[f"{name}.running_var"]
    if training:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    scale = p[f"{name}.weight"] / (variance + 1e-5).sqrt()
    return x * scale[:, None, None] + (p[f"{name}.bias"] - mean * scale)[:, None, None]


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


def weights(net: torch.nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


@pytest.mark.parametrize("depth", [8, 14])
@pytest.mark.parametrize("training", [True, False])
def test_scores_are_the_definitions(depth: int, training: bool) -> None:
    net, x = lively(ResNet(depth, seeded(0))), pictures()
    expected = reference(weights(net), x, (depth - 2) // 6, training)
    assert expected.std() > 0.1
    torch.testing.assert_close(net.train(training)(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("survival", [0.5, 0.2])
def test_at_test_time_every_block_counts_times_its_chance(survival: float) -> None:
    net, x = lively(ResNet(14, seeded(0), survival=survival)).eval(), pictures()
    expected = reference(weights(net), x, 2, training=False, survival=survival)
    torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-11)
    assert not torch.allclose(expected, reference(weights(net), x, 2, training=False), rtol=0.01)


@pytest.mark.parametrize(("depth", "count"), [(8, 75_290), (20, 269_722), (56, 853_018), (110, 1_727_962)])
def test_parameter_counts(depth: int, count: int) -> None:
    """He's table 6 has 0.27, 0.85 and 1.7 million; stochastic depth and option A add none."""
    net = ResNet(depth, seeded(0), survival=0.5)
    assert sum(p.numel() for p in net.parameters()) == count
    layers = [m for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(layers) == depth


def test_stages_halve_the_side_and_double_the_channels() -> None:
    net, seen = ResNet(20, seeded(0), classes=7), []
    for block in net.blocks:
        block.register_forward_hook(lambda _, __, y: seen.append(tuple(y.shape)))
    assert net(pictures(2).float()).shape == (2, 7)
    assert seen == [(2, 16, 32, 32)] * 3 + [(2, 32, 16, 16)] * 3 + [(2, 64, 8, 8)] * 3


@pytest.mark.parametrize("depth", [-4, 0, 1, 2, 7, 9, 18, 19, 21, 52, 101])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ValueError) as caught:
        ResNet(depth, seeded(0))
    assert str(caught.value) == f"depth is {depth}; give 6 n + 2, such as 20, 56 or 110"


def test_a_gradient_reaches_every_parameter() -> None:
    net = ResNet(20, seeded(0)).double()
    F.cross_entropy(net(pictures()), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 1e-8 for p in net.parameters())


@pytest.mark.parametrize(("channels", "width"), [(3, 6), (4, 4)])
def test_the_shortcut_is_option_a(channels: int, width: int) -> None:
    block = Block(channels, width, survival=0.0)  # nothing but the shortcut
    x = torch.randn(2, channels, 6, 6, generator=seeded(2))
    assert torch.equal(block(x), option_a(x, width).clamp(min=0))


def test_convolutions_start_with_hes_fan_out_deviation() -> None:
    """sqrt(2 / (9 n_out)), not fan_in: at a change of width the two differ by a factor of sqrt(2)."""
    net = ResNet(20, seeded(0))
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(layers) == 19
    for layer in layers:
        unit = layer.weight.detach().flatten() / (2 / (9 * layer.out_channels)) ** 0.5
        assert unit.std().item() == pytest.approx(1, abs=4 / (2 * len(unit)) ** 0.5)
        assert unit.mean().item() == pytest.approx(0, abs=4 / len(unit) ** 0.5)
        assert unit.abs().max() > 2  # a uniform one ends at 1.73
        assert layer.bias is None


def test_the_last_layer_starts_uniform_without_bias_and_norms_as_identities() -> None:
    net = ResNet(20, seeded(0), classes=100)
    assert not net.last.bias.any()
    bound = 1 / 8  # 64 inputs
    assert 0.99 * bound < net.last.weight.max() <= bound and -bound <= net.last.weight.min() < -0.99 * bound
    assert net.last.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    for norm in (m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        assert (norm.weight == 1).all() and (norm.bias == 0).all()


def test_weights_come_from_the_generator_alone() -> None:
    torch.manual_seed(1)
    one = weights(ResNet(8, seeded(0)))
    torch.manual_seed(2)
    same, other = weights(ResNet(8, seeded(0), survival=0.5)), weights(ResNet(8, seeded(1)))
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name in one if "conv" in name or name in ("first.weight", "last.weight")]
    assert len(drawn) == 8 and not any(torch.equal(one[name], other[name]) for name in drawn)


def test_every_parameter_decays_alike() -> None:
    net = ResNet(8, seeded(0))
    (group,) = net.parameter_groups(weight_decay=0.5)
    assert group["weight_decay"] == 0.5
    assert set(group["params"]) == set(net.parameters())


# --- stochastic depth ----------------------------------------------------------------------------------------------


def test_survival_falls_in_a_straight_line_to_that_of_the_last_block() -> None:
    net = ResNet(110, seeded(0), survival=0.5)
    survivals = [block.survival for block in net.blocks]
    assert survivals == pytest.approx([1 - 0.5 * block / 54 for block in range(1, 55)], rel=1e-12)
    assert survivals[-1] == 0.5
    assert {block.survival for block in ResNet(20, seeded(0)).blocks} == {1.0}


def kept(net: ResNet, x: Tensor) -> tuple[bool, ...]:
    """Which blocks took part in a forward pass."""
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


@pytest.mark.parametrize(("channels", "width"), [(8, 8), (8, 16)])
def test_a_dropped_block_is_the_identity_and_touches_nothing(channels: int, width: int) -> None:
    block = Block(channels, width, survival=0.0).double()
    before = weights(block)
    x = torch.randn(3, channels, 6, 6, dtype=torch.float64, generator=seeded(2)).requires_grad_()
    y = block(x)
    assert torch.equal(y, option_a(x, width).clamp(min=0))
    if channels == width:
        assert torch.equal(block(x.abs()), x.abs())
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())
    y.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in block.parameters())


def test_a_kept_block_is_not_scaled_in_training() -> None:
    torch.manual_seed(0)
    sure, unsure = Block(4, 4, survival=1.0), Block(4, 4, survival=0.999)
    unsure.load_state_dict(sure.state_dict())
    x = torch.randn(3, 4, 6, 6, generator=seeded(2))
    assert torch.equal(sure(x), unsure(x))


@pytest.mark.parametrize(("channels", "width"), [(4, 4), (4, 8)])
def test_a_block_in_evaluation_is_its_shortcut_and_its_chance_times_the_residual(channels: int, width: int) -> None:
    block = lively(Block(channels, width, survival=0.7)).eval()
    x = torch.randn(3, channels, 6, 6, dtype=torch.float64, generator=seeded(2))
    p = weights(block)
    y = F.conv2d(x, p["conv1.weight"], stride=width // channels, padding=1)
    y = F.conv2d(normalised(y, p, "norm1", False).clamp(min=0), p["conv2.weight"], padding=1)
    expected = (option_a(x, width) + 0.7 * normalised(y, p, "norm2", False)).clamp(min=0)
    torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-12)


def test_the_draw_comes_from_torchs_seed() -> None:
    net, x = ResNet(20, seeded(0), survival=0.5), pictures(2, side=8).float()
    patterns = []
    for seed in (0, 0, 1, 2):
        torch.manual_seed(seed)
        patterns.append([kept(net, x) for _ in range(3)])
    assert patterns[0] == patterns[1]
    assert patterns[0] != patterns[2] != patterns[3]


def test_nothing_is_drawn_without_stochastic_depth_or_in_evaluation() -> None:
    x = pictures(2, side=8).float()
    for net in (ResNet(8, seeded(0)), ResNet(8, seeded(0), survival=0.5).eval()):
        before = torch.get_rng_state()
        assert kept(net, x) == (True, True, True)
        assert torch.equal(torch.get_rng_state(), before)
