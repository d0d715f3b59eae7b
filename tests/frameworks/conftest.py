"""The task of every framework: a small net, twelve batches, and the rates that the optimizer really used."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from clrlib import Triangular2


@pytest.fixture
def policy() -> Triangular2:
    return Triangular2(base_lr=0.01, max_lr=0.06, step_size=3)  # 12 iterations are two cycles


@pytest.fixture
def data() -> TensorDataset:
    inputs = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(inputs, (inputs.sum(1) > 0).long())


@pytest.fixture
def loader(data: TensorDataset) -> DataLoader:
    return DataLoader(data, batch_size=4)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


@pytest.fixture
def used() -> Callable[[Optimizer], list[float]]:
    """used(optimizer): a list that grows by the rate of each step that the optimizer makes."""

    def follow(optimizer: Optimizer) -> list[float]:
        rates: list[float] = []
        optimizer.register_step_pre_hook(lambda o, *_: rates.append(float(o.param_groups[0]["lr"])))
        return rates

    return follow
