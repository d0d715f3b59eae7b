"""DenseNet for 32x32 images (section 4.1.2; Huang et al., arXiv 1608.06993)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab.nets.resnet import he_initialise


class DenseNet(nn.Module):
    """A DenseNet of 3 n + 4 layers for (N, 3, 32, 32): three blocks of n layers that add `growth` channels each.

    Every layer takes the outputs of all earlier layers of its block. 16 channels at first, no bottleneck, no
    compression, no dropout: the original's L = 40, k = 12. Takes normalised images, gives scores (N, classes).
    depth: 3 n + 4, such as 22 or 40. Raises ValueError for another depth.

    >>> net = DenseNet(40, torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in net.parameters())
    1019722
    """

    def __init__(self, depth: int, generator: torch.Generator, classes: int = 10, growth: int = 12) -> None:
        super().__init__()
        n, left = divmod(depth - 4, 3)
        if left or n < 1:
            raise ValueError(f"depth is {depth!r}; give 3 n + 4, such as 22 or 40")
        channels = 16
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
        for block in range(3):
            for _ in range(n):
                layers.append(DenseLayer(channels, growth))
                channels += growth
            if block < 2:
                layers.append(Transition(channels))
        self.features = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(channels)
        self.last = nn.Linear(channels, classes)
        he_initialise(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.features(x)))
        scores: Tensor = self.last(x.mean((2, 3)))
        return scores

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """One group: the original decays every parameter."""
        return [{"params": list(self.parameters()), "weight_decay": weight_decay}]


class DenseLayer(nn.Module):
    """x and `growth` new channels: cat(x, conv(relu(norm(x))))."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


class Transition(nn.Module):
    """Between two blocks: a 1x1 convolution and the mean of 2x2 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)
