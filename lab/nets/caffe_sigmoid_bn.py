"""Caffe's `cifar10_full_sigmoid_bn` net (figure 6; examples/cifar10/cifar10_full_sigmoid_train_test_bn.prototxt)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CaffeCifar10SigmoidBN(nn.Module):
    """`cifar10_full` with sigmoids and batch normalisation in place of ReLUs and LRN: 89,450 parameters.

    The convolutions have no bias, batch normalisation has neither scale nor shift. Takes raw images (N, 3, 32, 32) with
    values 0-255 and subtracts the mean image itself; gives scores (N, classes).

    mean_image: (3, 32, 32). generator: where the initial weights are drawn from.

    >>> net = CaffeCifar10SigmoidBN(torch.zeros(3, 32, 32), torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in net.parameters())
    89450
    """

    mean_image: Tensor

    def __init__(self, mean_image: Tensor, generator: torch.Generator, classes: int = 10) -> None:
        super().__init__()
        self.register_buffer("mean_image", mean_image)
        self.conv1 = nn.Conv2d(3, 32, 5, padding=2, bias=False)
        self.conv2 = nn.Conv2d(32, 32, 5, padding=2, bias=False)
        self.conv3 = nn.Conv2d(32, 64, 5, padding=2, bias=False)
        self.bn1, self.bn2, self.bn3 = CaffeBatchNorm(32), CaffeBatchNorm(32), CaffeBatchNorm(64)
        self.ip1 = nn.Linear(64 * 4 * 4, classes)
        for layer, std in ((self.conv1, 1e-4), (self.conv2, 0.01), (self.conv3, 0.01), (self.ip1, 0.01)):
            nn.init.normal_(layer.weight, std=std, generator=generator)
        nn.init.zeros_(self.ip1.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = images - self.mean_image
        x = torch.sigmoid(self.bn1(F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)))
        x = torch.sigmoid(self.bn2(self.conv2(x)))
        x = F.avg_pool2d(x, 3, 2, ceil_mode=True)
        x = torch.sigmoid(self.bn3(self.conv3(x)))
        x = F.avg_pool2d(x, 3, 2, ceil_mode=True)
        scores: Tensor = self.ip1(x.flatten(1))
        return scores

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """All at lr_mult 1; ip1's bias does not decay. Caffe's own solver for this net has no weight decay at all."""
        weights = [self.conv1.weight, self.conv2.weight, self.conv3.weight, self.ip1.weight]
        return [
            {"params": weights, "lr_mult": 1.0, "weight_decay": weight_decay},
            {"params": [self.ip1.bias], "lr_mult": 1.0, "weight_decay": 0.0},
        ]


class CaffeBatchNorm(nn.BatchNorm2d):
    """Batch normalisation without scale and shift, whose running statistics weigh the past as Caffe's do.

    With x the statistic of a batch: S <- 0.999 * S + x, n <- 0.999 * n + 1, and S / n is used in evaluation. That is
    torch's running average with momentum 1 / n (batch_norm_layer.cpp).
    """

    batches: Tensor  # n

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-5, affine=False)
        self.register_buffer("batches", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.batches.mul_(0.999).add_(1)
            self.momentum = 1 / self.batches.item()
        return super().forward(x)
