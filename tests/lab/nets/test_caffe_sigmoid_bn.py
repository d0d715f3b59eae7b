"""The sigmoid and batch-norm net against Caffe's definitions, transcribed in numpy."""

import numpy as np
import pytest
import torch
from caffe_in_numpy import convolution, pool
from made_nets import assert_gaussian, seeded

from lab.nets.caffe_sigmoid_bn import CaffeBatchNorm, CaffeCifar10SigmoidBN


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def normalised(x: np.ndarray) -> np.ndarray:
    """BatchNorm in the TRAIN phase: the batch's mean and (biased) variance."""
    mean, variance = (f(x, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var))
    return (x - mean) / np.sqrt(variance + 1e-5)


def test_scores_in_training_agree_with_caffe() -> None:
    mean_image = 255 * torch.rand(3, 32, 32, generator=seeded(1)).double()
    net = CaffeCifar10SigmoidBN(mean_image, seeded(0)).double().train()
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=seeded(2))
    p = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    x = images.numpy() - p["mean_image"]
    x = sigmoid(normalised(pool(convolution(x, p["conv1.weight"], np.zeros(32)), "MAX")))
    x = pool(sigmoid(normalised(convolution(x, p["conv2.weight"], np.zeros(32)))), "AVE")
    x = pool(sigmoid(normalised(convolution(x, p["conv3.weight"], np.zeros(64)))), "AVE")
    expected = x.reshape(4, -1) @ p["ip1.weight"].T + p["ip1.bias"]
    np.testing.assert_allclose(net(images).detach().numpy(), expected, rtol=1e-9, atol=1e-11)


def test_running_statistics_are_caffes() -> None:
    """blobs_[0], [1] and [2]: sums that fade by 0.999, and their weight; the variance is the unbiased one."""
    layer = CaffeBatchNorm(3).double()
    mean, variance, weight = np.zeros(3), np.zeros(3), 0.0
    for step in range(5):
        x = torch.randn(4, 3, 2, 2, dtype=torch.float64, generator=seeded(step)) * (step + 1) + step
        layer(x)
        mean = 0.999 * mean + x.numpy().mean((0, 2, 3))
        variance = 0.999 * variance + x.numpy().var((0, 2, 3), ddof=1)
        weight = 0.999 * weight + 1
    np.testing.assert_allclose(layer.running_mean.numpy(), mean / weight, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), variance / weight, rtol=1e-12)
    assert layer.batches.item() == pytest.approx(weight)


def test_evaluation_uses_and_keeps_the_running_statistics() -> None:
    layer = CaffeBatchNorm(2)
    layer(torch.randn(8, 2, 3, 3, generator=seeded(0)))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.eval()
    x = torch.randn(1, 2, 3, 3, generator=seeded(1))
    assert torch.equal(layer(x), layer(x))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_parameters_are_caffes() -> None:
    net = CaffeCifar10SigmoidBN(torch.zeros(3, 32, 32), seeded(0))
    assert {name: tuple(p.shape) for name, p in net.named_parameters()} == {
        "conv1.weight": (32, 3, 5, 5),
        "conv2.weight": (32, 32, 5, 5),
        "conv3.weight": (64, 32, 5, 5),
        "ip1.weight": (10, 1024),
        "ip1.bias": (10,),
    }
    for layer, std in ((net.conv1, 1e-4), (net.conv2, 0.01), (net.conv3, 0.01), (net.ip1, 0.01)):
        assert_gaussian(layer.weight, std)
    weights, bias = net.parameter_groups(weight_decay=0.5)
    assert len(weights["params"]) == 4 and (weights["lr_mult"], weights["weight_decay"]) == (1, 0.5)
    assert bias["params"] == [net.ip1.bias] and (bias["lr_mult"], bias["weight_decay"]) == (1, 0)
