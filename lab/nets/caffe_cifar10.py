"""Caffe's `cifar10_full` net, layer by layer (section 4.1.1; examples/cifar10/cifar10_full_train_test.prototxt)."""

from typing import Any

import torch
from torch import Tensor, nn

from lab.nets.caffe_layers import lrn_within_channel, max_pool_relu, relu_average_pool


class CaffeCifar10Full(nn.Module):
    """Three 5x5 convolutions and one linear layer, 89,578 parameters: the net of tables 1 to 3.

    Takes raw images (N, 3, 32, 32) with values 0-255, uint8 or float, and subtracts the per-pixel mean of the
    training images itself; gives scores (N, 10). There is no scaling unless asked for: the paper's rates mean what they
    mean only on inputs of this size. Weights are Gaussian, biases zero.

    mean_image: (3, 32, 32). generator: where the initial weights are drawn from. For what other ports do instead:
    lrn=False leaves the normalisation out, scale=1/255 feeds inputs of [-1, 1].

    >>> net = CaffeCifar10Full(torch.zeros(3, 32, 32), torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in net.parameters())
    89578
    """

    mean_image: Tensor

    def __init__(
        self,
        mean_image: Tensor,
        generator: torch.Generator,
        classes: int = 10,
        lrn: bool = True,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.normalises = lrn
        self.lrn = lrn_within_channel if lrn else nn.Identity()
        self.register_buffer("mean_image", mean_image)
        self.conv1 = nn.Conv2d(3, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 32, 5, padding=2)
        self.conv3 = nn.Conv2d(32, 64, 5, padding=2)
        self.ip1 = nn.Linear(64 * 4 * 4, classes)
        for layer, std in ((self.conv1, 1e-4), (self.conv2, 0.01), (self.conv3, 0.01), (self.ip1, 0.01)):
            nn.init.normal_(layer.weight, std=std, generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = images - self.mean_image
        if self.scale != 1:
            x = x * self.scale
        x = self.lrn(max_pool_relu(self.conv1(x)))  # Caffe pools before the first ReLU
        x = self.lrn(relu_average_pool(self.conv2(x)))
        x = relu_average_pool(self.conv3(x))
        scores: Tensor = self.ip1(x.flatten(1))
        return scores

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Caffe's lr_mult and decay_mult for each parameter; conv3 has no `param` block, so its bias has lr_mult 1.

        ip1's weights decay 250 times as fast as the convolutions'. In Caffe biases of convolutions decay too.
        """
        conv1, conv2, conv3, ip1 = self.conv1, self.conv2, self.conv3, self.ip1
        return [
            {
                "params": [conv1.weight, conv2.weight, conv3.weight, conv3.bias],
                "lr_mult": 1.0,
                "weight_decay": weight_decay,
            },
            {"params": [conv1.bias, conv2.bias], "lr_mult": 2.0, "weight_decay": weight_decay},
            {"params": [ip1.weight], "lr_mult": 1.0, "weight_decay": 250 * weight_decay},
            {"params": [ip1.bias], "lr_mult": 2.0, "weight_decay": 0.0},
        ]
