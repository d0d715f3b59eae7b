"""Residual nets for 32x32 images, and stochastic depth on them (section 4.1.2; He et al. 2015, section 4.2)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResNet(nn.Module):
    """A residual net of 6 n + 2 layers for (N, 3, 32, 32): three stages of n blocks with 16, 32 and 64 channels.

    Shortcuts are He's option A: no weights; where the size halves every second pixel is taken and zeros are added for
    the new channels. Takes normalised images, gives scores (N, classes).

    depth: 6 n + 2, such as 20, 56, 110. survival: chance of the last block to be kept in training (stochastic depth,
    arXiv 1603.09382); that of block l of L falls in a straight line, 1 - l / L * (1 - survival). At test time every
    block counts, times its chance. 1 is a plain residual net. Raises ValueError for another depth.

    >>> net = ResNet(20, torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in net.parameters())
    269722
    """

    def __init__(self, depth: int, generator: torch.Generator, classes: int = 10, survival: float = 1.0) -> None:
        super().__init__()
        n, left = divmod(depth - 2, 6)
        if left or n < 1:
            raise ValueError(f"depth is {depth!r}; give 6 n + 2, such as 20, 56 or 110")
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        blocks, channels = [], 16
        for stage, width in enumerate((16, 32, 64)):
            for k in range(n):
                done = (stage * n + k + 1) / (3 * n)
                blocks.append(Block(channels, width, survival=1 - done * (1 - survival)))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(64, classes)
        he_initialise(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.first(x)))
        scores: Tensor = self.last(self.blocks(x).mean((2, 3)))
        return scores

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """One group: the original decays every parameter."""
        return [{"params": list(self.parameters()), "weight_decay": weight_decay}]


class Block(nn.Module):
    """relu(shortcut(x) + residual(x)); with stochastic depth the residual of a whole batch is dropped now and then."""

    def __init__(self, channels: int, width: int, survival: float) -> None:
        super().__init__()
        self.stride, self.more, self.survival = width // channels, width - channels, survival
        self.conv1 = nn.Conv2d(channels, width, 3, self.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.more:
            shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        if self.training and self.survival < 1 and torch.rand(()) >= self.survival:
            return F.relu(shortcut)
        residual = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if not self.training and self.survival < 1:
            residual = residual * self.survival
        return F.relu(shortcut + residual)


def he_initialise(net: nn.Module, generator: torch.Generator) -> None:
    """Convolutions N(0, 2 / (k * k * n_out)), biases of linear layers 0 (fb.resnet.torch)."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5  # Torch 7's default
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.zeros_(layer.bias)
