"""Loss and gradients of a batch for the whole Caffe net, in one call of compiled code (caffe_net.cpp)."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lab.nets.kernels.library import Library

MOST_CLASSES = 16
CONVOLUTIONS = [(32, 3, 5, 5), (32,), (32, 32, 5, 5), (32,), (64, 32, 5, 5), (64,)]  # weight and bias of each
CHAINS = 4  # which sum the gradients, in one order whatever the threads
ALIGNMENT = 64


class _Parameter(ctypes.Structure):
    _fields_ = (("values", ctypes.c_void_p), ("gradient", ctypes.c_void_p), ("strides", ctypes.c_int64 * 4))


class _Batch(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("images", "labels", "mean", "scores")),
        ("parameters", _Parameter * 8),
        *((name, ctypes.c_int64) for name in ("count", "classes", "threads")),
        *((name, ctypes.c_float) for name in ("scale", "alpha")),
    )


def _load(file: Path) -> Any:
    library = ctypes.CDLL(str(file))
    library.loss_and_gradients.restype = ctypes.c_double
    library.workspace_size.restype = ctypes.c_int64
    library.workspace_size.argtypes = (ctypes.c_int64,)
    return library


LIBRARY = Library(("caffe_net.cpp", "parameters.h", "workspace.h", "layers.h", "winograd.h"), _load)
_library = cache(LIBRARY.get)


class CompiledNet:
    """The compiled form of a Caffe net, which works on its parameters in place. Raises ValueError for another net.

    net: with conv1 to conv3 and ip1, at most 16 classes, float32, on the CPU. alpha: of the local response
    normalisation, 0 for a net without it.
    """

    def __init__(self, net: nn.Module, mean_image: Tensor, scale: float, alpha: float) -> None:
        self._parameters = list(net.parameters())
        held = (*self._parameters, mean_image)
        classes = len(self._parameters[-1])
        shapes = [*CONVOLUTIONS, (classes, 1024), (classes,), (3, 32, 32)]
        fit = [tuple(p.shape) for p in held] == shapes and classes <= MOST_CLASSES
        if not fit or any(p.dtype != torch.float32 or p.device.type != "cpu" for p in held):
            raise ValueError(f"net is {net}; give a Caffe net in float32 on the CPU, of at most {MOST_CLASSES} classes")
        self._gradients = [torch.empty_like(p) for p in self._parameters]
        self._mean, self._library, self._space = mean_image.contiguous(), _library(), torch.empty(0)
        self._batch = _Batch(mean=self._mean.data_ptr(), scale=scale, alpha=alpha)
        self._batch.classes = classes
        for noted, p, gradient in zip(self._batch.parameters, self._parameters, self._gradients, strict=True):
            noted.values, noted.gradient = p.data_ptr(), gradient.data_ptr()
            noted.strides[:] = [*p.stride(), *(0,) * (4 - p.dim())]

    def loss_and_gradients(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of a batch. Sets each parameter's grad.

        images: (N, 3, 32, 32) uint8. labels: (N,) int64, each below the number of classes.
        """
        classes = self._batch.classes
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1] or labels.device.type != "cpu":
            raise ValueError(f"labels are {_of(labels)}; give int64 ({len(images)},) on the CPU")
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"labels go from {labels.min()} to {labels.max()}; give classes from 0 to {classes - 1}")
        space = self._prepare(images, CHAINS)
        labels = labels.contiguous()
        self._batch.labels = labels.data_ptr()
        loss = self._library.loss_and_gradients(ctypes.byref(self._batch), space)
        for p, gradient in zip(self._parameters, self._gradients, strict=True):
            p.grad = gradient
        return torch.tensor(loss, dtype=torch.float32)

    def scores(self, images: Tensor) -> Tensor:
        """Scores of images, (N, classes) float32."""
        space = self._prepare(images, torch.get_num_threads())
        scores = torch.empty(len(images), self._batch.classes)
        self._batch.scores = scores.data_ptr()
        self._library.scores(ctypes.byref(self._batch), space)
        return scores

    def _prepare(self, images: Tensor, most_threads: int) -> ctypes.c_void_p:
        """Set the images and threads of the next call; returns the address of the workspace."""
        if images.dtype != torch.uint8 or images.shape[1:] != (3, 32, 32) or images.device.type != "cpu":
            raise ValueError(f"images are {_of(images)}; give uint8 (N, 3, 32, 32) on the CPU")
        self._images = images.contiguous()  # held until the next
        threads = min(torch.get_num_threads(), most_threads)
        self._batch.images, self._batch.count, self._batch.threads = self._images.data_ptr(), len(images), threads
        need = self._library.workspace_size(threads) + ALIGNMENT
        if len(self._space) < need:
            self._space = torch.empty(need, dtype=torch.uint8)
            self._library.prepare_workspace(self._address(), ctypes.c_int64(threads))
        return self._address()

    def _address(self) -> ctypes.c_void_p:
        start = self._space.data_ptr()
        return ctypes.c_void_p(start + -start % ALIGNMENT)


def _of(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)} on {tensor.device}"
