"""Snapshots of a training: their averaged predictions (snapshot ensemble) and their averaged weights (SWA)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Snapshots:
    """The ensemble and the average of the snapshots that a training has taken so far.

    Ensemble: the class with the largest mean softmax over the snapshots (arXiv 1704.00109). Average: the net whose
    weights are the mean of theirs (arXiv 1803.05407); refused for a net with batch normalisation, whose statistics
    would have to be measured anew.
    """

    def __init__(self, net: nn.Module) -> None:
        if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in net.modules()):
            raise ValueError("snapshots are not averaged for a net with batch normalisation; leave snapshots out")
        self.average = AveragedModel(net)
        self.probabilities = torch.zeros(())  # summed over the snapshots, (test images, classes) after the first

    def take(self, net: nn.Module, scores: Tensor) -> None:
        """Keep the present net. scores: its scores on the test images, (test images, classes)."""
        self.average.update_parameters(net)
        self.probabilities = self.probabilities.to(scores.device) + scores.softmax(1)

    def ensemble_accuracy(self, labels: Tensor) -> float:
        """Fraction of the test images that the ensemble gets right."""
        return int((self.probabilities.argmax(1) == labels).sum()) / len(labels)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average.state_dict(), "probabilities": self.probabilities}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state["average"])
        self.probabilities = state["probabilities"]
