"""The nets, by the name that a Run has for them."""

from collections.abc import Callable
from typing import Any

from clrlib.lab.models.caffe_cifar10 import CaffeCifar10Full
from clrlib.lab.models.caffe_sigmoid_bn import CaffeCifar10SigmoidBN

NETS: dict[str, Callable[..., Any]] = {  # called with the mean image, a generator and the number of classes
    "caffe_cifar10_full": CaffeCifar10Full,
    "caffe_cifar10_sigmoid_bn": CaffeCifar10SigmoidBN,
}
