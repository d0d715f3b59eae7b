"""Shared by the tests of several nets: seeds, weights that all show in the scores, batch normalisation by hand."""

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
Net = TypeVar("Net", bound=nn.Module)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 4, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, dtype=torch.float64, generator=seeded(1))


def lively(net: Net) -> Net:
    """In float64, with norms whose weights, biases and statistics all show in the scores."""
    net = net.double()
    with torch.no_grad():
        for k, (name, value) in enumerate(net.state_dict().items()):
            if "norm" in name and value.ndim == 1:
                value.uniform_(0.5, 1.5, generator=seeded(k))
            elif name == "last.bias":
                value.normal_(generator=seeded(k))
    return net


def state(net: nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def normalised(x: Tensor, p: Weights, name: str, training: bool) -> Tensor:
    """Batch normalisation by its formula."""
    mean, variance = p[f"{name}.running_mean"], p[f"{name}.running_var"]
    if training:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    scale = p[f"{name}.weight"] / (variance + 1e-5).sqrt()
    return x * scale[:, None, None] + (p[f"{name}.bias"] - mean * scale)[:, None, None]


def assert_gaussian(weight: Tensor, std: float) -> None:
    """Mean 0, this deviation, and the fourth moment 3 of a Gaussian (1.8 of a uniform one), to four sigma."""
    unit = weight.detach().flatten()[:1_000_000] / std
    count = len(unit)
    assert unit.std().item() == pytest.approx(1, abs=4 / (2 * count) ** 0.5)
    assert unit.mean().item() == pytest.approx(0, abs=4 / count**0.5)
    assert (unit**4).mean().item() == pytest.approx(3, abs=4 * (96 / count) ** 0.5)


def assert_starts_as_hes(net: nn.Module) -> None:
    """Convolutions N(0, 2 / (k * k * n_out)), by fan out; the last layer uniform up to 1 / sqrt(n_in); no biases."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            assert_gaussian(layer.weight, (2 / (layer.kernel_size[0] ** 2 * layer.out_channels)) ** 0.5)
            assert layer.bias is None
        elif isinstance(layer, nn.Linear):
            bound, weight = layer.in_features**-0.5, layer.weight
            assert 0.98 * bound < weight.max() <= bound * (1 + 1e-6) and weight.min() < -0.98 * bound
            assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
            assert not layer.bias.any()
        elif isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all() and (layer.bias == 0).all()
