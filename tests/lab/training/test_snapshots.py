"""Snapshots against averages taken by hand."""

import pytest
import torch
from torch import nn

from lab.nets.caffe_sigmoid_bn import CaffeCifar10SigmoidBN
from lab.training.snapshots import Snapshots

LABELS = torch.tensor([0, 1, 1])
SCORES = (  # of three images and two classes; the probabilities of the first image are 0.9 and 0.2 for class 0
    torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]).log(),
    torch.tensor([[0.2, 0.8], [0.9, 0.1], [0.1, 0.9]]).log(),
)


def net(value: float) -> nn.Module:
    linear = nn.Linear(2, 1)
    nn.init.constant_(linear.weight, value)
    nn.init.constant_(linear.bias, 10 * value)
    return linear


def test_probabilities_are_averaged_not_votes() -> None:
    kept = Snapshots(net(0.0))
    kept.take(net(0.0), SCORES[0])
    assert kept.ensemble_accuracy(LABELS) == pytest.approx(2 / 3)
    kept.take(net(0.0), SCORES[1] + 5)  # scores are the same but for a constant
    assert kept.ensemble_accuracy(LABELS) == pytest.approx(2 / 3)  # 0.55, 0.65 (wrong), 0.4 for class 0
    torch.testing.assert_close(kept.probabilities[:, 0], torch.tensor([1.1, 1.3, 0.8]))


def test_weights_are_averaged_equally() -> None:
    kept = Snapshots(net(7.0))  # what it was made from counts for nothing
    for value in (1.0, 2.0, 6.0):
        kept.take(net(value), SCORES[0])
    weight, bias = kept.average.module.parameters()
    assert weight.tolist() == [[pytest.approx(3.0)] * 2] and bias.tolist() == [pytest.approx(30.0)]


def test_batch_normalisation_is_refused() -> None:
    sigmoid = CaffeCifar10SigmoidBN(torch.zeros(3, 32, 32), torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="not averaged for a net with batch normalisation; leave snapshots out"):
        Snapshots(sigmoid)
