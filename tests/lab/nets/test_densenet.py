"""DenseNet against its definition: every layer sees the outputs of all layers of its block before it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lab.nets.densenet import DenseLayer, DenseNet, Transition

Weights = dict[str, Tensor]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 4, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, dtype=torch.float64, generator=seeded(1))


def lively(net: DenseNet) -> DenseNet:
    """In float64, with norms whose weights, biases and statistics all show in the scores."""
    net = net.double()
    with torch.no_grad():
        for k, (name, value) in enumerate(net.state_dict().items()):
            if "norm" in name and value.ndim == 1:
                value.uniform_(0.5, 1.5, generator=seeded(k))
            elif name == "last.bias":
                value.normal_(generator=seeded(k))
    return net


def reference(p: Weights, x: Tensor, n: int, training: bool) -> Tensor:
    """Block by block with a list of all that was made so far."""

    def active(x: Tensor, name: str) -> Tensor:
        mean, variance = p[f"{name}.running_mean"], p[f"{name}.running_var"]
        if training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        y = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        return (y * p[f"{name}.weight"][:, None, None] + p[f"{name}.bias"][:, None, None]).clamp(min=0)

    made, k = [F.conv2d(x, p["features.0.weight"], padding=1)], 1
    for block in range(3):
        for _ in range(n):
            seen = active(torch.cat(made, 1), f"features.{k}.norm")
            made.append(F.conv2d(seen, p[f"features.{k}.conv.weight"], padding=1))
            k += 1
        x = torch.cat(made, 1)
        if block < 2:
            mixed = torch.einsum(
                "nchw,oc->nohw", active(x, f"features.{k}.norm"), p[f"features.{k}.conv.weight"][:, :, 0, 0]
            )
            corners = [mixed[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
            made, k = [sum(corners) / 4], k + 1
    return active(x, "norm").mean((2, 3)) @ p["last.weight"].T + p["last.bias"]


@pytest.mark.parametrize(("depth", "growth"), [(7, 12), (10, 5)])
@pytest.mark.parametrize("training", [True, False])
def test_scores_are_the_definitions(depth: int, growth: int, training: bool) -> None:
    net, x = lively(DenseNet(depth, seeded(0), growth=growth)), pictures(side=16)
    p = {name: value.detach().clone() for name, value in net.state_dict().items()}
    expected = reference(p, x, (depth - 4) // 3, training)
    assert expected.std() > 0.1
    torch.testing.assert_close(net.train(training)(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("depth", "count"), [(22, 270_706), (40, 1_019_722)])
def test_parameter_counts(depth: int, count: int) -> None:
    net = DenseNet(depth, seeded(0))
    assert sum(p.numel() for p in net.parameters()) == count
    layers = [m for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(layers) == depth


def test_channels_grow_by_twelve_a_layer_and_transitions_halve_the_side() -> None:
    net, seen = DenseNet(40, seeded(0), classes=7).eval(), []
    for layer in net.features:
        layer.register_forward_hook(lambda layer, _, y: seen.append((type(layer), *y.shape)))
    assert net(pictures(2).float()).shape == (2, 7)
    shapes = {kind: [shape for k, *shape in seen if k is kind] for kind in (DenseLayer, Transition)}
    blocks = [(16, 32), (160, 16), (304, 8)]
    assert shapes[DenseLayer] == [[2, first + 12 * k, side, side] for first, side in blocks for k in range(1, 13)]
    assert shapes[Transition] == [[2, 160, 16, 16], [2, 304, 8, 8]]
    assert net.last.in_features == 448


@pytest.mark.parametrize("depth", [-2, 0, 3, 4, 5, 6, 8, 21, 41, 99])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ValueError) as caught:
        DenseNet(depth, seeded(0))
    assert str(caught.value) == f"depth is {depth}; give 3 n + 4, such as 22 or 40"


def test_a_gradient_reaches_every_parameter() -> None:
    net = DenseNet(22, seeded(0)).double()
    F.cross_entropy(net(pictures(side=16)), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 1e-8 for p in net.parameters())


def test_a_layer_passes_on_what_it_got_and_adds_to_it() -> None:
    layer, x = DenseLayer(5, 3), torch.randn(2, 5, 4, 4, generator=seeded(2))
    y = layer(x)
    assert y.shape == (2, 8, 4, 4)
    assert torch.equal(y[:, :5], x)


def test_weights_start_as_hes_and_biases_at_zero() -> None:
    net = DenseNet(22, seeded(0))
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(layers) == 21
    for layer in layers:
        unit = layer.weight.detach().flatten() / (2 / (layer.kernel_size[0] ** 2 * layer.out_channels)) ** 0.5
        assert unit.std().item() == pytest.approx(1, abs=4 / (2 * len(unit)) ** 0.5)
        assert unit.abs().max() > 2  # a uniform one ends at 1.73
        assert layer.bias is None
    bound = net.last.in_features**-0.5
    assert not net.last.bias.any()
    assert 0.99 * bound < net.last.weight.abs().max() <= bound * (1 + 1e-6)


def test_weights_come_from_the_generator_alone() -> None:
    torch.manual_seed(1)
    one = DenseNet(7, seeded(0)).state_dict()
    torch.manual_seed(2)
    same, other = (DenseNet(7, seeded(seed)).state_dict() for seed in (0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name in one if "conv" in name or name in ("features.0.weight", "last.weight")]
    assert len(drawn) == 7 and not any(torch.equal(one[name], other[name]) for name in drawn)


def test_every_parameter_decays_alike() -> None:
    net = DenseNet(7, seeded(0))
    (group,) = net.parameter_groups(weight_decay=0.5)
    assert group["weight_decay"] == 0.5
    assert set(group["params"]) == set(net.parameters())
