"""The paper's nets by the name that a Run gives them."""

from clrlib.lab.models.caffe_cifar10 import CaffeCifar10Full

NETS = {"caffe_cifar10_full": CaffeCifar10Full}
