"""Normalisation and augmentation of a batch in front of a net: random shifts, crops and mirror images."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab.data.image_sets import Images


class FromImages(nn.Module):
    """A net that takes raw images (N, 3, H, W) with values 0-255: x = (image - mean) / std goes into it.

    In training each image is first shifted by up to `shift` pixels each way (zeros come in), then cut to a random part
    of crop x crop pixels (0: all of it), then mirrored with probability 1/2 where flip is true; in evaluation it is cut
    to its centre. All draws come from torch's global generator on the images' device. drawn: calls a
    function that draws for a number of images; several processes replace it by one that draws for the whole batch.
    mean, std: of any shape that goes with (3, H, W). Raises ValueError for a crop larger than the images.

    >>> net = FromImages(nn.Flatten(), mean=torch.tensor(100.0), std=torch.tensor(2.0), crop=1).eval()
    >>> net(torch.full((1, 3, 3, 3), 104.0))
    tensor([[2., 2., 2.]])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, net: nn.Module, mean: Tensor, std: Tensor, flip: bool = False, shift: int = 0, crop: int = 0
    ) -> None:
        super().__init__()
        self.net, self.flip, self.shift, self.crop = net, flip, shift, crop
        self.drawn: Callable[[Callable[[int], Tensor], int], Tensor] = _drawn
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Any:
        x = (images - self.mean) / self.std
        if self.crop > min(x.shape[-2:]):
            raise ValueError(f"crop is {self.crop}, images are {x.shape[-1]}x{x.shape[-2]} pixels; give less")
        return self.net(self.augmented(x) if self.training else self.centre(x))

    def centre(self, x: Tensor) -> Tensor:
        """The middle crop x crop pixels."""
        if not self.crop:
            return x
        top, left = ((side - self.crop) // 2 for side in x.shape[-2:])
        return x[:, :, top : top + self.crop, left : left + self.crop]

    def augmented(self, x: Tensor) -> Tensor:
        """Each image shifted, cut and mirrored by its own draw."""
        height, width = (self.crop, self.crop) if self.crop else x.shape[-2:]
        if self.shift:
            x = F.pad(x, (self.shift,) * 4)
        rows, columns = self._window(x, height, x.shape[-2]), self._window(x, width, x.shape[-1])
        if self.flip:
            mirrored = self.drawn(lambda count: torch.rand((count, 1), device=x.device), len(x)) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        image = torch.arange(len(x), device=x.device)[:, None, None]
        return x.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def _window(self, x: Tensor, length: int, side: int) -> Tensor:
        """Positions of a window drawn for each image, (N, length)."""
        start = self.drawn(lambda count: torch.randint(side - length + 1, (count, 1), device=x.device), len(x))
        return start + torch.arange(length, device=x.device)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """The parameter groups of the net itself."""
        groups: list[dict[str, Any]] = self.net.parameter_groups(weight_decay)  # type: ignore[operator]
        return groups


def _drawn(draw: Callable[[int], Tensor], count: int) -> Tensor:
    return draw(count)


def per_channel(images: Images) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of the training images, (3, 1, 1) each: fb.resnet.torch's."""
    channels = images.train_images.unbind(1)
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in channels]).double()
    share, values = counts / counts.sum(1, keepdim=True), torch.arange(256.0, dtype=torch.float64, device=counts.device)
    mean = share @ values
    std = (share @ values**2 - mean**2).sqrt()
    return mean.float()[:, None, None], std.float()[:, None, None]


def per_pixel_one_std(images: Images) -> tuple[Tensor, Tensor]:
    """The mean image, and one standard deviation of the rest (stochastic depth's authors: of the raw pixels)."""
    mean, train = images.mean_image(), images.train_images
    squares = torch.stack([((some - mean) ** 2).sum(dtype=torch.float64) for some in torch.split(train, 500)]).sum()
    return mean, (squares / train.numel()).sqrt().float()


def per_pixel(images: Images) -> tuple[Tensor, Tensor]:
    """The mean image, and no scaling: Caffe's AlexNet."""
    return images.mean_image(), torch.ones((), device=images.device)


def mean_colour(images: Images) -> tuple[Tensor, Tensor]:
    """The mean of each channel, (3, 1, 1), and no scaling: Caffe's GoogLeNet."""
    mean = images.mean_image().double().mean((1, 2), keepdim=True)
    return mean.float(), torch.ones((), device=images.device)
