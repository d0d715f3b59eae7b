"""AlexNet and GoogLeNet as Caffe has them (section 4.2; models/bvlc_alexnet and models/bvlc_googlenet)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab.nets.caffe_layers import lrn_across_channels


class AlexNet(nn.Module):
    """Caffe's AlexNet: five convolutions, three of them in two groups, and three linear layers.

    Unlike torchvision's (which is the later one-tower net): 96, 256, 384, 384 and 256 channels, in groups; local
    response normalisation across five channels after the first two ReLUs; no padding in the first layer; Gaussian
    weights, biases 0 or 0.1. Takes images less their mean, (N, 3, size, size) with values up to 255; gives scores
    (N, classes). generator: where the initial weights are drawn from.

    >>> net = AlexNet(227, torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in net.parameters())
    60965224
    """

    def __init__(self, size: int, generator: torch.Generator, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        with torch.no_grad():
            features = self.features(torch.zeros(1, 3, size, size)).numel()
        self.fc6, self.fc7 = nn.Linear(features, 4096), nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)
        self.dropout = nn.Dropout(0.5)
        for layer, std, bias in (
            (self.conv1, 0.01, 0.0),
            (self.conv2, 0.01, 0.1),
            (self.conv3, 0.01, 0.0),
            (self.conv4, 0.01, 0.1),
            (self.conv5, 0.01, 0.1),
            (self.fc6, 0.005, 0.1),
            (self.fc7, 0.005, 0.1),
            (self.fc8, 0.01, 0.0),
        ):
            nn.init.normal_(layer.weight, std=std, generator=generator)
            nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> Tensor:
        x = pool(lrn_across_channels(F.relu(self.conv1(x))))
        x = pool(lrn_across_channels(F.relu(self.conv2(x))))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        return pool(F.relu(self.conv5(x))).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(F.relu(self.fc6(self.features(x))))
        x = self.dropout(F.relu(self.fc7(x)))
        scores: Tensor = self.fc8(x)
        return scores

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        return weights_and_biases(self, weight_decay)


def pool(x: Tensor) -> Tensor:
    """Caffe's MAX pooling 3x3, stride 2: the size is rounded up."""
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def weights_and_biases(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Caffe's `param` blocks: biases learn twice as fast and do not decay."""
    weights = [p for name, p in net.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in net.named_parameters() if name.endswith("bias")]
    return [
        {"params": weights, "lr_mult": 1.0, "weight_decay": weight_decay},
        {"params": biases, "lr_mult": 2.0, "weight_decay": 0.0},
    ]


# channels of each Inception module: 1x1; 3x3 reduced to, 3x3; 5x5 reduced to, 5x5; 1x1 after the pooling
INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Module):
    """Caffe's GoogLeNet: nine Inception modules without batch normalisation, two auxiliary classifiers in training.

    Unlike torchvision's: local response normalisation, 5x5 convolutions that are 5x5, Xavier weights, biases 0.2. The
    paper used another file, Princeton's, which is gone. Takes images less their mean colour, (N, 3, size, size). In
    training it gives (scores, two auxiliary scores), whose losses count 0.3 each, in evaluation scores (N, classes).

    >>> net = GoogLeNet(224, torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in net.parameters())
    13378280
    """

    def __init__(self, size: int, generator: torch.Generator, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.reduce2 = nn.Conv2d(64, 64, 1)
        self.conv2 = nn.Conv2d(64, 192, 3, padding=1)
        channels, modules = 192, {}
        for name, widths in INCEPTION.items():
            modules[name] = Inception(channels, widths)
            channels = modules[name].channels
        self.modules_by_name = nn.ModuleDict(modules)
        self.auxiliary = nn.ModuleList(Auxiliary(c, classes) for c in (512, 528))
        self.dropout, self.last = nn.Dropout(0.4), nn.Linear(channels, classes)
        with torch.no_grad():
            self(torch.zeros(2, 3, size, size))  # the auxiliary classifiers take their input's size from this
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                fan_in = layer.weight[0].numel()  # Caffe's "xavier": uniform with variance 1 / fan_in
                nn.init.uniform_(layer.weight, -((3 / fan_in) ** 0.5), (3 / fan_in) ** 0.5, generator=generator)
                nn.init.constant_(layer.bias, 0.2)  # type: ignore[arg-type]
        for classifier in (self, *self.auxiliary):
            nn.init.zeros_(classifier.last.bias)

    def forward(self, x: Tensor) -> Any:
        x = lrn_across_channels(pool(F.relu(self.conv1(x))))
        x = pool(lrn_across_channels(F.relu(self.conv2(F.relu(self.reduce2(x))))))
        extra: list[Tensor] = []
        for name, module in self.modules_by_name.items():
            x = module(x)
            if name in ("3b", "4e"):
                x = pool(x)
            if self.training and name in ("4a", "4d"):
                extra.append(self.auxiliary[len(extra)](x))
        scores = self.last(self.dropout(x.mean((2, 3))))
        return (scores, *extra) if self.training else scores

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        return weights_and_biases(self, weight_decay)


class Inception(nn.Module):
    """1x1, 3x3 and 5x5 convolutions and a pooling side by side, each with its own 1x1 reduction (arXiv 1409.4842)."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = widths
        self.one = nn.Conv2d(channels, one, 1)
        self.reduce3, self.three = nn.Conv2d(channels, reduce3, 1), nn.Conv2d(reduce3, three, 3, padding=1)
        self.reduce5, self.five = nn.Conv2d(channels, reduce5, 1), nn.Conv2d(reduce5, five, 5, padding=2)
        self.pooled = nn.Conv2d(channels, pooled, 1)
        self.channels = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        branches = (
            self.one(x),
            self.three(F.relu(self.reduce3(x))),
            self.five(F.relu(self.reduce5(x))),
            self.pooled(F.max_pool2d(x, 3, 1, padding=1)),
        )
        return F.relu(torch.cat(branches, 1))


class Auxiliary(nn.Module):
    """A classifier on the way: mean over 5x5 with stride 3, 1x1 convolution, two linear layers, dropout 0.7."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(channels, 128, 1), nn.LazyLinear(1024)
        self.dropout, self.last = nn.Dropout(0.7), nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(F.avg_pool2d(x, 5, 3, ceil_mode=True)))
        scores: Tensor = self.last(self.dropout(F.relu(self.fc(x.flatten(1)))))
        return scores
