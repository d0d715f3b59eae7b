"""The nets, by the name that a Run has for them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from clrlib.lab.models.caffe_cifar10 import CaffeCifar10Full
from clrlib.lab.models.caffe_sigmoid_bn import CaffeCifar10SigmoidBN

NETS: dict[str, Callable[..., Any]] = {  # called with the mean image, a generator and the number of classes
    "caffe_cifar10_full": CaffeCifar10Full,
    "caffe_cifar10_full_without_lrn": partial(CaffeCifar10Full, lrn=False),
    "caffe_cifar10_full_scaled_inputs": partial(CaffeCifar10Full, scale=1 / 255),
    "caffe_cifar10_sigmoid_bn": CaffeCifar10SigmoidBN,
}
