"""The loss that is trained on: cross entropy, of one classifier or of several."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lab.training.loop import mean_loss

LABELS = torch.tensor([0, 3, 1, 3, 2])


def scores(seed: int) -> Tensor:
    return (3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))).requires_grad_()


def cross_entropy(scores: Tensor) -> float:
    """Minus the mean logarithm of the softmax at the label."""
    shares = np.exp(scores.detach().double().numpy())
    shares /= shares.sum(1, keepdims=True)
    return float(-np.log(shares[np.arange(5), LABELS]).mean())


def test_of_one_classifier_it_is_the_mean_cross_entropy() -> None:
    assert mean_loss(scores(0), LABELS).item() == pytest.approx(cross_entropy(scores(0)), rel=1e-5)
    assert torch.equal(mean_loss((scores(0),), LABELS), mean_loss(scores(0), LABELS))


def test_each_auxiliary_classifier_counts_three_tenths() -> None:
    first, second, third = (scores(seed) for seed in range(3))
    expected = cross_entropy(first) + 0.3 * cross_entropy(second) + 0.3 * cross_entropy(third)
    assert mean_loss((first, second, third), LABELS).item() == pytest.approx(expected, rel=1e-5)
    assert mean_loss((first, second), LABELS).item() == pytest.approx(expected - 0.3 * cross_entropy(third), rel=1e-5)


def test_their_gradients_weigh_the_same() -> None:
    """Softmax less the label, over the count; 0.3 of it for an auxiliary classifier."""
    every = [scores(seed) for seed in range(3)]
    mean_loss(tuple(every), LABELS).backward()
    wanted = torch.nn.functional.one_hot(LABELS, 4)
    for one, weight in zip(every, (1.0, 0.3, 0.3), strict=True):
        torch.testing.assert_close(one.grad, weight * (one.detach().softmax(1) - wanted) / 5)


def test_scores_in_bfloat16_are_summed_in_float32() -> None:
    first, second = scores(0).bfloat16(), scores(1).bfloat16()
    loss = mean_loss((first, second), LABELS)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(cross_entropy(first.float()) + 0.3 * cross_entropy(second.float()), rel=1e-5)
