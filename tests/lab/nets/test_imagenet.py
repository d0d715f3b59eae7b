"""AlexNet and GoogLeNet against Caffe's models/bvlc_alexnet and models/bvlc_googlenet, typed in again here."""

from math import ceil

import pytest
import torch
import torch.nn.functional as F
from caffe_in_numpy import pool
from made_nets import assert_gaussian, seeded
from torch import Tensor, nn

from lab.nets.imagenet import AlexNet, GoogLeNet

Weights = dict[str, Tensor]
Net = AlexNet | GoogLeNet


def pictures(side: int, count: int = 2) -> Tensor:
    """Images less their mean."""
    return torch.randint(0, 256, (count, 3, side, side), generator=seeded(1)).double() - 120


@pytest.fixture(scope="module")
def alexnet() -> AlexNet:
    """For 91 pixels, which it pools at sides of 21, 10 and 5: of these one is rounded up."""
    return AlexNet(91, seeded(0), classes=10)


@pytest.fixture(scope="module")
def googlenet() -> GoogLeNet:
    return GoogLeNet(91, seeded(0), classes=10)


@pytest.fixture(params=["alexnet", "googlenet"])
def net(request: pytest.FixtureRequest) -> Net:
    """One of them, to be looked at, not changed."""
    chosen: Net = request.getfixturevalue(request.param)
    return chosen


def doubled(net: nn.Module) -> Weights:
    return {name: value.detach().double() for name, value in net.state_dict().items()}


def max_pool(x: Tensor, stride: int = 2, pad: int = 0) -> Tensor:
    return torch.from_numpy(pool(x.numpy(), "MAX", stride, pad))


def lrn(x: Tensor) -> Tensor:
    """local_size 5, alpha 1e-4, beta 0.75: a channel's neighbours two to each side, the divisor always 5."""
    squares = F.pad(x**2, (0, 0, 0, 0, 2, 2))
    window = torch.stack([squares[:, k : k + x.shape[1]] for k in range(5)]).sum(0)
    return x * (1 + 1e-4 / 5 * window) ** -0.75


def assert_close(net: nn.Module, x: Tensor, expected: Tensor) -> None:
    """In float32, but for a few units in the last place."""
    before = torch.get_rng_state()
    with torch.no_grad():
        scores = net.eval()(x.float()).double()
    assert torch.equal(torch.get_rng_state(), before), "evaluation draws nothing"
    spread = expected - expected.mean(0)
    assert spread.abs().max() > 0.01 * expected.abs().max(), "the images could be told apart by nothing"
    torch.testing.assert_close(scores, expected, rtol=0, atol=2e-5 * expected.abs().max().item())


# --- what they compute ---------------------------------------------------------------------------------------------


def grouped(x: Tensor, weight: Tensor, bias: Tensor, pad: int) -> Tensor:
    """Caffe's group: 2. The first half of the channels in makes the first half of the channels out."""
    halves = zip(x.chunk(2, 1), weight.chunk(2), bias.chunk(2), strict=True)
    return torch.cat([F.conv2d(*half, padding=pad) for half in halves], 1)


def test_alexnets_scores_are_caffes(alexnet: AlexNet) -> None:
    p, images = doubled(alexnet), 5 * pictures(91)  # so large that LRN shows
    x = images
    x = max_pool(lrn(F.conv2d(x, p["conv1.weight"], p["conv1.bias"], stride=4).clamp(min=0)))
    x = max_pool(lrn(grouped(x, p["conv2.weight"], p["conv2.bias"], 2).clamp(min=0)))
    x = F.conv2d(x, p["conv3.weight"], p["conv3.bias"], padding=1).clamp(min=0)
    x = grouped(x, p["conv4.weight"], p["conv4.bias"], 1).clamp(min=0)
    x = max_pool(grouped(x, p["conv5.weight"], p["conv5.bias"], 1).clamp(min=0)).flatten(1)
    for name in ("fc6", "fc7"):
        x = (x @ p[f"{name}.weight"].T + p[f"{name}.bias"]).clamp(min=0)
    assert_close(alexnet, images, x @ p["fc8.weight"].T + p["fc8.bias"])


def caffes_googlenet(p: Weights, x: Tensor) -> list[Tensor]:
    """The scores of the last classifier, then of the two on the way, without dropout."""

    def conv(x: Tensor, name: str, pad: int = 0, stride: int = 1) -> Tensor:
        return F.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], stride, pad).clamp(min=0)

    def inception(x: Tensor, name: str) -> Tensor:
        start = f"modules_by_name.{name}"
        three, five = conv(x, f"{start}.reduce3"), conv(x, f"{start}.reduce5")
        around = conv(max_pool(x, 1, 1), f"{start}.pooled")
        return torch.cat(
            [conv(x, f"{start}.one"), conv(three, f"{start}.three", 1), conv(five, f"{start}.five", 2), around], 1
        )

    def on_the_way(x: Tensor, k: int) -> Tensor:
        places = range(ceil((x.shape[2] - 5) / 3) + 1)
        rows = [
            torch.stack([x[:, :, 3 * i : 3 * i + 5, 3 * j : 3 * j + 5].mean((2, 3)) for j in places], 2) for i in places
        ]
        y = conv(torch.stack(rows, 2), f"auxiliary.{k}.conv").flatten(1)
        y = (y @ p[f"auxiliary.{k}.fc.weight"].T + p[f"auxiliary.{k}.fc.bias"]).clamp(min=0)
        return y @ p[f"auxiliary.{k}.last.weight"].T + p[f"auxiliary.{k}.last.bias"]

    x = lrn(max_pool(conv(x, "conv1", 3, 2)))
    x = max_pool(lrn(conv(conv(x, "reduce2"), "conv2", 1)))
    x = max_pool(inception(inception(x, "3a"), "3b"))
    first = x = inception(x, "4a")
    second = x = inception(inception(inception(x, "4b"), "4c"), "4d")
    x = max_pool(inception(x, "4e"))
    x = inception(inception(x, "5a"), "5b").mean((2, 3))
    return [x @ p["last.weight"].T + p["last.bias"], on_the_way(first, 0), on_the_way(second, 1)]


@pytest.fixture(scope="module")
def lively() -> GoogLeNet:
    """GoogLeNet for 112 pixels, where the classifiers on the way see 2x2 windows, some of them cut off at the edge."""
    net = GoogLeNet(112, seeded(0), classes=10)
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.weight.mul_(1.5)
                layer.bias.uniform_(-0.3, 0.3, generator=seeded(layer.weight.numel()))
    return net


def test_googlenets_scores_are_caffes_and_in_training_all_three(lively: GoogLeNet) -> None:
    expected = caffes_googlenet(doubled(lively), pictures(112))
    assert_close(lively, pictures(112), expected[0])
    lively.train()
    for layer in lively.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    with torch.no_grad():
        scores = lively(pictures(112).float())
    for ours, caffes in zip(scores, expected, strict=True):
        torch.testing.assert_close(ours.double(), caffes, rtol=0, atol=2e-5 * caffes.abs().max().item())


# --- their parameters ----------------------------------------------------------------------------------------------

ALEXNET = {  # num_output, channels seen, kernel; standard deviation of the weights; bias
    "conv1": ((96, 3, 11, 11), 0.01, 0.0),
    "conv2": ((256, 48, 5, 5), 0.01, 0.1),
    "conv3": ((384, 256, 3, 3), 0.01, 0.0),
    "conv4": ((384, 192, 3, 3), 0.01, 0.1),
    "conv5": ((256, 192, 3, 3), 0.01, 0.1),
    "fc6": ((4096, 9216), 0.005, 0.1),
    "fc7": ((4096, 4096), 0.005, 0.1),
    "fc8": ((1000, 4096), 0.01, 0.0),
}


def test_parameters_at_full_size_are_caffes() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in AlexNet(227, seeded(0)).named_parameters()}
    weights = {f"{name}.weight": shape for name, (shape, *_) in ALEXNET.items()}
    assert shapes == weights | {f"{name}.bias": shape[:1] for name, (shape, *_) in ALEXNET.items()}


@pytest.mark.parametrize("layer", ALEXNET)
def test_alexnet_starts_gaussian_with_caffes_deviations_and_biases(alexnet: AlexNet, layer: str) -> None:
    part, (_, std, bias) = alexnet.get_submodule(layer), ALEXNET[layer]
    assert_gaussian(part.weight, std)
    assert torch.equal(part.bias, torch.full_like(part.bias, bias))


def test_googlenet_starts_with_caffes_xavier_weights(googlenet: GoogLeNet) -> None:
    """Uniform up to sqrt(3 / fan_in), fan_in = inputs of one output; biases 0.2, those of the classifiers 0."""
    layers = {name: m for name, m in googlenet.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    assert len(layers) == 3 + 9 * 6 + 2 * 3 + 1
    for name, layer in layers.items():
        assert torch.equal(layer.bias, torch.full_like(layer.bias, 0.0 if name.endswith("last") else 0.2))
        inputs = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels * layer.kernel_size[0] ** 2
        bound, weight = (3 / inputs) ** 0.5, layer.weight.detach().flatten()
        assert 0.99 * bound < weight.abs().max() <= bound * (1 + 1e-6)
        assert weight.std().item() == pytest.approx(inputs**-0.5, abs=4 * inputs**-0.5 * (0.2 / len(weight)) ** 0.5)
        assert weight.mean().item() == pytest.approx(0, abs=4 * inputs**-0.5 / len(weight) ** 0.5)


def test_biases_learn_twice_as_fast_and_do_not_decay(net: Net) -> None:
    names = {parameter: name for name, parameter in net.named_parameters()}
    groups = net.parameter_groups(weight_decay=0.5)
    listed = {names[p]: (group["lr_mult"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(listed) == len(names)
    assert listed == {name: (1.0, 0.5) if name.endswith(".weight") else (2.0, 0.0) for name in names.values()}
    assert groups[0]["lr_mult"] == 1, "a record's lr is the first group's"


# --- training and evaluation ---------------------------------------------------------------------------------------


def dropout_rates(net: Net, x: Tensor) -> dict[str, float]:
    """The rate of each dropout layer that a pass in training goes through."""
    names = {layer: name for name, layer in net.named_modules() if isinstance(layer, nn.Dropout)}
    rates = {}
    hook = lambda layer, *_: rates.update({names[layer]: layer.p * layer.training})  # noqa: E731
    hooks = [layer.register_forward_hook(hook) for layer in names]
    with torch.no_grad():
        net.train()(x)
    for each in hooks:
        each.remove()
    return rates


def test_dropout_is_caffes_in_training(alexnet: AlexNet, googlenet: GoogLeNet) -> None:
    x = pictures(91).float()
    assert dropout_rates(alexnet, x) == {"dropout": 0.5}
    assert dropout_rates(googlenet, x) == {"dropout": 0.4, "auxiliary.0.dropout": 0.7, "auxiliary.1.dropout": 0.7}
