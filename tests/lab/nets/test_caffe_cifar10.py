"""The net against Caffe's definitions, transcribed in numpy: what each layer computes, in which order.

The transcription follows caffe/src/caffe/layers/{conv,pooling,lrn,relu,inner_product}_layer.cpp, in float64.
"""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from caffe_in_numpy import convolution, lrn, pool, relu
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lab.nets.caffe_cifar10 import CaffeCifar10Full

Weights = dict[str, np.ndarray]


def scores(p: Weights, images: np.ndarray) -> np.ndarray:
    """cifar10_full_train_test.prototxt from data to ip1."""
    x = images - p["mean_image"]
    x = lrn(relu(pool(convolution(x, p["conv1.weight"], p["conv1.bias"]), "MAX")))
    x = lrn(pool(relu(convolution(x, p["conv2.weight"], p["conv2.bias"])), "AVE"))
    x = pool(relu(convolution(x, p["conv3.weight"], p["conv3.bias"])), "AVE")
    return x.reshape(len(x), -1) @ p["ip1.weight"].T + p["ip1.bias"]


def softmax_loss(p: Weights, images: np.ndarray, labels: np.ndarray) -> float:
    z = scores(p, images)
    z = z - z.max(1, keepdims=True)
    log_probabilities = z - np.log(np.exp(z).sum(1, keepdims=True))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_numpy(net: CaffeCifar10Full) -> Weights:
    return {name: value.detach().numpy().astype(np.float64) for name, value in net.state_dict().items()}


@pytest.fixture
def pictures() -> Tensor:
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=seeded(1))


@pytest.fixture
def mean_image() -> Tensor:
    return 255 * torch.rand(3, 32, 32, generator=seeded(2))


@pytest.fixture
def grown(mean_image: Tensor) -> CaffeCifar10Full:
    """A net in float64 whose weights are large enough that every bias, ReLU and LRN shows in the scores."""
    net = CaffeCifar10Full(mean_image, seeded(3)).double()
    with torch.no_grad():
        for name, value in net.named_parameters():
            size = {"conv1": 0.1, "conv2": 0.05, "conv3": 0.03, "ip1": 0.005}[name.split(".")[0]]
            value.normal_(std=size if name.endswith("weight") else 200 * size, generator=seeded(len(name)))
    return net


def test_scores_agree_with_caffe(grown: CaffeCifar10Full, pictures: Tensor) -> None:
    expected = scores(as_numpy(grown), pictures.numpy())
    assert 0.1 < expected.std() < 100
    np.testing.assert_allclose(grown(pictures).detach().numpy(), expected, rtol=1e-11, atol=1e-12)


def test_scores_of_an_untrained_net_agree_with_caffe(mean_image: Tensor, pictures: Tensor) -> None:
    net = CaffeCifar10Full(mean_image, seeded(0)).double()
    np.testing.assert_allclose(net(pictures).detach().numpy(), scores(as_numpy(net), pictures.numpy()), rtol=1e-9)


def test_scores_in_float32_are_the_same_to_single_precision(grown: CaffeCifar10Full, pictures: Tensor) -> None:
    expected = scores(as_numpy(grown), pictures.numpy())
    np.testing.assert_allclose(grown.float()(pictures).detach().numpy(), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name", [f"{layer}.{part}" for layer in ("conv1", "conv2", "conv3", "ip1") for part in ("weight", "bias")]
)
def test_gradients_agree_with_differences_of_caffes_loss(grown: CaffeCifar10Full, pictures: Tensor, name: str) -> None:
    labels, weights = np.array([7, 2]), as_numpy(grown)
    F.cross_entropy(grown(pictures), torch.from_numpy(labels)).backward()
    gradient = dict(grown.named_parameters())[name].grad
    assert gradient is not None
    random = np.random.default_rng(0)
    for _ in range(2):
        direction = random.normal(size=weights[name].shape)
        step = 1e-6 * np.linalg.norm(weights[name]) / np.linalg.norm(direction) * direction
        ahead, behind = (
            softmax_loss({**weights, name: weights[name] + sign * step}, pictures.numpy(), labels) for sign in (1, -1)
        )
        assert (ahead - behind) / 2 == pytest.approx(float((gradient.numpy() * step).sum()), rel=1e-4)


class Blobs(TorchDispatchMode):
    """Notes each layer as it is computed, in Caffe's words, with the shape of its output."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        names = {"convolution": "conv", "max_pool2d": "MAX", "relu": "relu", "avg_pool2d": "AVE", "addmm": "ip"}
        for start, name in names.items():
            if str(function).startswith(f"aten.{start}"):
                output = result[0] if isinstance(result, tuple) else result
                self.seen.append(
                    ("LRN" if name == "AVE" and output.shape == args[0].shape else name, tuple(output.shape))
                )
        return result


def test_layers_come_in_caffes_order_with_caffes_shapes(grown: CaffeCifar10Full, pictures: Tensor) -> None:
    with torch.no_grad(), Blobs() as blobs:
        grown(pictures)
    assert blobs.seen == [
        ("conv", (2, 32, 32, 32)),
        ("MAX", (2, 32, 16, 16)),  # before the ReLU in stage 1 only
        ("relu", (2, 32, 16, 16)),
        ("LRN", (2, 32, 16, 16)),
        ("conv", (2, 32, 16, 16)),
        ("relu", (2, 32, 16, 16)),
        ("AVE", (2, 32, 8, 8)),
        ("LRN", (2, 32, 8, 8)),
        ("conv", (2, 64, 8, 8)),
        ("relu", (2, 64, 8, 8)),
        ("AVE", (2, 64, 4, 4)),  # and no third LRN
        ("ip", (2, 10)),
    ]


def test_parameter_count_is_caffes(mean_image: Tensor) -> None:
    net = CaffeCifar10Full(mean_image, seeded(0))
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    assert shapes == {
        "conv1.weight": (32, 3, 5, 5),
        "conv1.bias": (32,),
        "conv2.weight": (32, 32, 5, 5),
        "conv2.bias": (32,),
        "conv3.weight": (64, 32, 5, 5),
        "conv3.bias": (64,),
        "ip1.weight": (10, 1024),
        "ip1.bias": (10,),
    }
    assert sum(p.numel() for p in net.parameters()) == 89_578


def test_other_class_counts_change_the_last_layer_alone(mean_image: Tensor, pictures: Tensor) -> None:
    net = CaffeCifar10Full(mean_image, seeded(0), classes=4)
    assert net(pictures).shape == (2, 4)
    assert sum(p.numel() for p in net.parameters()) == 89_578 - 6 * 1025


@pytest.mark.parametrize(("layer", "std"), [("conv1", 0.0001), ("conv2", 0.01), ("conv3", 0.01), ("ip1", 0.01)])
def test_weights_start_gaussian_with_caffes_deviation_and_biases_at_zero(
    mean_image: Tensor, layer: str, std: float
) -> None:
    part = CaffeCifar10Full(mean_image, seeded(0)).get_submodule(layer)
    weight = part.weight.detach().flatten() / std
    assert weight.std().item() == pytest.approx(1, abs=4 / (2 * len(weight)) ** 0.5)
    assert weight.mean().item() == pytest.approx(0, abs=4 / len(weight) ** 0.5)
    assert (weight**4).mean().item() == pytest.approx(3, abs=4 * (96 / len(weight)) ** 0.5)  # a uniform one has 1.8
    assert not part.bias.any()


def test_weights_come_from_the_generator_alone(mean_image: Tensor) -> None:
    torch.manual_seed(1)
    one = CaffeCifar10Full(mean_image, seeded(0)).state_dict()
    torch.manual_seed(2)
    same, other = (CaffeCifar10Full(mean_image, seeded(seed)).state_dict() for seed in (0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one if name.endswith("weight"))


def test_rates_and_decays_of_each_parameter_are_caffes(mean_image: Tensor) -> None:
    net = CaffeCifar10Full(mean_image, seeded(0))
    names = {parameter: name for name, parameter in net.named_parameters()}
    groups = net.parameter_groups(weight_decay=0.004)
    listed = [(names[p], group["lr_mult"], group["weight_decay"]) for group in groups for p in group["params"]]
    assert sorted(listed) == [  # lr_mult; weight_decay 0.004 times decay_mult
        ("conv1.bias", 2, 0.004),
        ("conv1.weight", 1, 0.004),
        ("conv2.bias", 2, 0.004),
        ("conv2.weight", 1, 0.004),
        ("conv3.bias", 1, 0.004),  # conv3 has no `param` block
        ("conv3.weight", 1, 0.004),
        ("ip1.bias", 2, 0),
        ("ip1.weight", 1, 1.0),
    ]
    assert groups[0]["lr_mult"] == 1, "a record's lr is the first group's"


def test_uint8_and_float_images_give_the_same(grown: CaffeCifar10Full, pictures: Tensor) -> None:
    net = grown.float()
    assert torch.equal(net(pictures), net(pictures.float()))


def test_the_mean_image_is_subtracted_and_nothing_scaled(mean_image: Tensor, pictures: Tensor) -> None:
    net, inputs = CaffeCifar10Full(mean_image, seeded(0)), []
    net.conv1.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    net(pictures)
    assert torch.equal(inputs[0], pictures.float() - mean_image)


def test_the_mean_image_is_saved_with_the_net_but_not_trained(mean_image: Tensor) -> None:
    net = CaffeCifar10Full(mean_image, seeded(0))
    assert torch.equal(net.state_dict()["mean_image"], mean_image)
    assert "mean_image" not in dict(net.named_parameters())
