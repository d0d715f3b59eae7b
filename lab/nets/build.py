"""Build the net that a Run names."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lab.data.image_sets import Images
from lab.data.order import generator
from lab.experiments.run import Run
from lab.nets import kernels
from lab.nets.caffe_cifar10 import CaffeCifar10Full
from lab.nets.caffe_layers import ALPHA
from lab.nets.caffe_sigmoid_bn import CaffeCifar10SigmoidBN
from lab.nets.densenet import DenseNet
from lab.nets.imagenet import AlexNet, GoogLeNet
from lab.nets.inputs import FromImages, mean_colour, per_channel, per_pixel, per_pixel_one_std
from lab.nets.kernels.net import MOST_CLASSES, CompiledNet
from lab.nets.resnet import ResNet

CAFFE_CIFAR10: dict[str, Callable[..., Any]] = {  # they take raw images, none of them augmented
    "caffe_cifar10_full": CaffeCifar10Full,
    "caffe_cifar10_full_without_lrn": partial(CaffeCifar10Full, lrn=False),
    "caffe_cifar10_full_scaled_inputs": partial(CaffeCifar10Full, scale=1 / 255),
    "caffe_cifar10_sigmoid_bn": CaffeCifar10SigmoidBN,
}
Normalisation = Callable[[Images], tuple[Tensor, Tensor]]
FOR_32_PIXELS: dict[str, tuple[Callable[..., Any], Normalisation]] = {
    **{f"resnet{depth}": (partial(ResNet, depth), per_channel) for depth in (8, 20, 56, 110)},
    **{f"resnet{depth}_sd": (partial(ResNet, depth, survival=0.5), per_pixel_one_std) for depth in (8, 20, 56, 110)},
    **{f"densenet{depth}": (partial(DenseNet, depth), per_channel) for depth in (7, 22, 40)},
}
OF_ANY_SIZE: dict[str, tuple[Callable[..., Any], Normalisation]] = {
    "alexnet": (AlexNet, per_pixel),
    "googlenet": (GoogLeNet, mean_colour),
}


def compiles(net: str, device: torch.device) -> bool:
    """True if torch should compile the net: the large nets on a GPU.

    Caffe's small nets train in less time than compiling takes, and stochastic depth has a new graph at each draw.
    """
    return device.type == "cuda" and net not in CAFFE_CIFAR10 and not net.endswith("_sd")


def compiled(net: Any, precision: str, device: torch.device) -> CompiledNet | None:
    """The net as one compiled kernel, for Caffe's cifar10_full on one CPU in float32 with kernels; else None."""
    fits = isinstance(net, CaffeCifar10Full) and len(net.ip1.bias) <= MOST_CLASSES
    if not fits or precision != "float32" or device.type != "cpu":
        return None
    if kernels.name() != "winograd":
        return None
    return CompiledNet(net, net.mean_image, net.scale, ALPHA if net.normalises else 0.0)


def build(run: Run, images: Images) -> Any:
    """The run's net for these images, its weights drawn from the seed.

    Raises ValueError for an unknown net, or for augmentation with a net that takes raw images.
    """
    first, classes = generator(run.seed, "init"), len(images.classes)
    if run.net in CAFFE_CIFAR10:
        if run.flip or run.shift or run.crop:
            raise ValueError(f"{run.net} takes its images as they are; leave flip, shift and crop out")
        return CAFFE_CIFAR10[run.net](images.mean_image(), first, classes=classes)
    if run.net in FOR_32_PIXELS:
        make, normalisation = FOR_32_PIXELS[run.net]
        net = make(generator=first, classes=classes)
    elif run.net in OF_ANY_SIZE:
        make, normalisation = OF_ANY_SIZE[run.net]
        net = make(size=run.crop or images.side, generator=first, classes=classes)
    else:
        known = ", ".join((*CAFFE_CIFAR10, *FOR_32_PIXELS, *OF_ANY_SIZE))
        raise ValueError(f"net is {run.net!r}; give one of {known}")
    return FromImages(net, *normalisation(images), run.flip, run.shift, run.crop)
