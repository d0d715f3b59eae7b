"""Caffe's pooling and local response normalisation, forward and backward.

Each layer is written twice: in a line or two of torch, which defines it and runs everywhere, and as a call of the
compiled kernels (lab.nets.kernels), which a CPU uses where they accept the input.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lab.nets import kernels

ALPHA, BETA = 5e-5, 0.75  # of the LRN, in cifar10_full_train_test.prototxt
ALPHA_ACROSS = 1e-4  # of AlexNet's and GoogLeNet's, in their train_val.prototxt


def max_pool_relu(x: Tensor) -> Tensor:
    """Caffe's MAX pooling 3x3, stride 2, then ReLU: (N, C, 32, 32) -> (N, C, 16, 16); the size is rounded up.

    >>> max_pool_relu(torch.tensor([[[[-1.0, 2.0], [3.0, 0.0]]]])).tolist()
    [[[[3.0]]]]
    """
    y: Tensor = _MaxPoolRelu.apply(x) if kernels.fit(x) else F.relu(F.max_pool2d(x, 3, 2, ceil_mode=True))
    return y


def relu_average_pool(x: Tensor) -> Tensor:
    """ReLU, then Caffe's AVE pooling 3x3, stride 2: size rounded up, a window at the edge averages what it holds.

    >>> relu_average_pool(torch.tensor([[[[-1.0, 2.0], [3.0, 3.0]]]])).tolist()
    [[[[2.0]]]]
    """
    y: Tensor = _ReluAveragePool.apply(x) if kernels.fit(x) else F.avg_pool2d(F.relu(x), 3, 2, ceil_mode=True)
    return y


def lrn_within_channel(x: Tensor) -> Tensor:
    """Caffe's local response normalisation within a channel: y = x * (1 + alpha * mean_3x3(x**2))**-0.75, alpha 5e-5.

    The mean is over a 3x3 window padded with zeros, which count in the divisor. Shape in, shape out.
    """
    y: Tensor = _FusedLRN.apply(x) if kernels.fit(x) else _LRN.apply(x, _mean_3x3, ALPHA)
    return y


def lrn_across_channels(x: Tensor) -> Tensor:
    """AlexNet's local response normalisation: y = x * (1 + alpha * mean(x**2))**-0.75, alpha 1e-4.

    The mean is over a pixel's value in 5 neighbouring channels; zeros stand beside the first and the last. Shape in,
    shape out.
    """
    y: Tensor = _LRN.apply(x, _mean_of_5_channels, ALPHA_ACROSS)
    return y


class _LRN(torch.autograd.Function):
    """The derivative by hand: both means are their own transposes, so backward is as cheap as forward.

    With s = 1 + alpha * mean(x**2) and incoming gradient g:
    dL/dx = g * s**-beta - 2 * alpha * beta * x * mean(g * x * s**(-beta - 1)).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Callable[[Tensor], Tensor], alpha: float) -> Tensor:
        ctx.mean, ctx.alpha = mean, alpha
        s = mean(x * x).mul_(alpha).add_(1)
        root = s.rsqrt()
        scale = root * root.sqrt()  # s**-0.75, cheaper than pow
        ctx.save_for_backward(x, s, scale)
        return x * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,) = gradients
        x, s, scale = ctx.saved_tensors
        g_scaled = g * scale
        spread = ctx.mean((g_scaled * x).div_(s))
        return g_scaled.sub_(spread.mul_(x).mul_(2 * ctx.alpha * BETA)), None, None


def _mean_3x3(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1)


def _mean_of_5_channels(x: Tensor) -> Tensor:
    """As a product with a matrix that has fifths along its diagonal: much faster here than torch's pooling in 3d."""
    channels = torch.arange(x.shape[1], device=x.device)
    band = ((channels - channels[:, None]).abs() <= 2).to(x.dtype) / 5
    return F.conv2d(x, band[:, :, None, None])


class _FusedLRN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y, root = torch.ops.clrlib.lrn(x, ALPHA)
        ctx.save_for_backward(x, root)
        return y  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, root = ctx.saved_tensors
        return torch.ops.clrlib.lrn_backward(_channels_last(gradients[0]), x, root, ALPHA)  # type: ignore[no-any-return]


class _MaxPoolRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y, place = torch.ops.clrlib.max_pool_relu(x)
        ctx.save_for_backward(place)
        return y  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (place,) = ctx.saved_tensors
        return torch.ops.clrlib.max_pool_relu_backward(_channels_last(gradients[0]), place)  # type: ignore[no-any-return]


class _ReluAveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.ops.clrlib.relu_average_pool(x)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.clrlib.relu_average_pool_backward(_channels_last(gradients[0]), x)  # type: ignore[no-any-return]


def _channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
