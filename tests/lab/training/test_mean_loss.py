"""The loss that is trained on: cross entropy, of one classifier or of several."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lab.training.loop import mean_loss

LABELS = torch.tensor([0, 3, 1, 3, 2])


def scores(seed: int) -> Tensor:
    return 3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))


def cross_entropy(scores: Tensor) -> float:
    """Minus the mean logarithm of the softmax at the label."""
    shares = np.exp(scores.detach().double().numpy())
    shares /= shares.sum(1, keepdims=True)
    return float(-np.log(shares[np.arange(5), LABELS]).mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("classifiers", [1, 2, 3])
def test_each_auxiliary_classifier_counts_three_tenths_in_float32(classifiers: int, dtype: torch.dtype) -> None:
    given = [scores(seed).to(dtype) for seed in range(classifiers)]
    first, *others = (cross_entropy(of_one.float()) for of_one in given)
    loss = mean_loss(tuple(given) if others else given[0], LABELS)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(first + 0.3 * sum(others), rel=1e-5)
