"""The net against Caffe's definitions, transcribed in numpy: what each layer computes, in which order.

The transcription follows caffe/src/caffe/layers/{conv,pooling,lrn,relu,inner_product}_layer.cpp, in float64.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from caffe_in_numpy import convolution, lrn, pool, relu
from made_nets import assert_gaussian, seeded
from torch import Tensor

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


@pytest.mark.parametrize(("layer", "std"), [("conv1", 0.0001), ("conv2", 0.01), ("conv3", 0.01), ("ip1", 0.01)])
def test_weights_start_gaussian_with_caffes_deviation_and_biases_at_zero(
    mean_image: Tensor, layer: str, std: float
) -> None:
    part = CaffeCifar10Full(mean_image, seeded(0)).get_submodule(layer)
    assert_gaussian(part.weight, std)
    assert not part.bias.any()


def test_shapes_rates_and_decays_of_each_parameter_are_caffes(mean_image: Tensor) -> None:
    net = CaffeCifar10Full(mean_image, seeded(0))
    names = {parameter: name for name, parameter in net.named_parameters()}
    groups = net.parameter_groups(weight_decay=0.004)
    listed = [(names[p], (*p.shape,), g["lr_mult"], g["weight_decay"]) for g in groups for p in g["params"]]
    assert sorted(listed) == [  # lr_mult; weight_decay 0.004 times decay_mult
        ("conv1.bias", (32,), 2, 0.004),
        ("conv1.weight", (32, 3, 5, 5), 1, 0.004),
        ("conv2.bias", (32,), 2, 0.004),
        ("conv2.weight", (32, 32, 5, 5), 1, 0.004),
        ("conv3.bias", (64,), 1, 0.004),  # conv3 has no `param` block
        ("conv3.weight", (64, 32, 5, 5), 1, 0.004),
        ("ip1.bias", (10,), 2, 0),
        ("ip1.weight", (10, 1024), 1, 1.0),
    ]
    assert groups[0]["lr_mult"] == 1, "a record's lr is the first group's"
