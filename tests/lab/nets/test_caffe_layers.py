"""Caffe's layers in torch and as compiled kernels: against Caffe transcribed in numpy, and against each other."""

import shutil
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from caffe_in_numpy import lrn, pool, relu
from made_nets import seeded
from torch import Tensor

from lab.nets import kernels
from lab.nets.caffe_layers import lrn_across_channels, lrn_within_channel, max_pool_relu, relu_average_pool

Layer = Callable[[Tensor], Tensor]
LAYERS = [max_pool_relu, relu_average_pool, lrn_within_channel]


@pytest.mark.parametrize("side", [3, 4, 7, 8, 16, 32])
def test_pooling_agrees_with_caffe_at_any_size(side: int) -> None:
    x = torch.randn(2, 3, side, side + 1, dtype=torch.float64, generator=seeded(side))
    np.testing.assert_array_equal(max_pool_relu(x).numpy(), relu(pool(x.numpy(), "MAX")))
    np.testing.assert_allclose(relu_average_pool(x).numpy(), pool(relu(x.numpy()), "AVE"), rtol=1e-13, atol=1e-15)


def wild(*shape: int) -> Tensor:
    """Numbers so large that the LRN is far from the identity."""
    return (200 * torch.randn(*shape, dtype=torch.float64, generator=seeded(5))).requires_grad_()


def test_lrn_agrees_with_caffe_and_keeps_channels_and_images_apart() -> None:
    x = wild(2, 3, 5, 6)
    np.testing.assert_allclose(lrn_within_channel(x).detach().numpy(), lrn(x.detach().numpy()), rtol=1e-13)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_lrn_gradient_equals_autograd_of_the_plain_formula(layout: torch.memory_format) -> None:
    x = wild(2, 3, 8, 8).detach().to(memory_format=layout).requires_grad_()
    incoming = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=seeded(6)).to(memory_format=layout)
    (by_hand,) = torch.autograd.grad(lrn_within_channel(x), x, incoming)
    plain = x * (1 + 5e-5 * F.avg_pool2d(x * x, 3, 1, 1)) ** -0.75
    (by_autograd,) = torch.autograd.grad(plain, x, incoming)
    torch.testing.assert_close(by_hand, by_autograd, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("lrn", [lrn_within_channel, lrn_across_channels])
def test_lrn_leaves_its_input_and_the_incoming_gradient_alone(lrn: Layer) -> None:
    x, incoming = wild(1, 6, 4, 4), torch.ones(1, 6, 4, 4, dtype=torch.float64)
    before = x.detach().clone()
    lrn(x).backward(incoming)
    assert torch.equal(x, before) and torch.equal(incoming, torch.ones_like(incoming))


def across_channels(x: np.ndarray) -> np.ndarray:
    """ACROSS_CHANNELS, local_size 5, alpha 1e-4, beta 0.75 (lrn_layer.cpp): alpha / 5 times each square in reach."""
    scale = np.ones_like(x)
    for channel in range(x.shape[1]):
        for near in range(max(channel - 2, 0), min(channel + 3, x.shape[1])):
            scale[:, channel] += 1e-4 / 5 * x[:, near] ** 2
    return x * scale**-0.75


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 12, 96])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_lrn_across_channels_is_caffes_and_has_torchs_gradient(channels: int, layout: torch.memory_format) -> None:
    x = wild(2, channels, 4, 3).detach().to(memory_format=layout).requires_grad_()
    incoming = torch.randn(2, channels, 4, 3, dtype=torch.float64, generator=seeded(6)).to(memory_format=layout)
    y = lrn_across_channels(x)
    assert (y / x).min() < 0.9  # far from the identity
    np.testing.assert_allclose(y.detach().numpy(), across_channels(x.detach().numpy()), rtol=1e-13)
    theirs = F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1)
    (dx,), (expected,) = (torch.autograd.grad(out, x, incoming) for out in (y, theirs))
    torch.testing.assert_close(dx, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_lrn_across_channels_in_bfloat16_is_close(layout: torch.memory_format) -> None:
    """To the 8 bits of a bfloat16, twice rounded on the way."""
    exact = wild(2, 32, 4, 4).detach().float().bfloat16().float().to(memory_format=layout).requires_grad_()
    rounded = exact.detach().bfloat16().requires_grad_()
    incoming = torch.randn(2, 32, 4, 4, generator=seeded(6)).bfloat16()
    expected, y = lrn_across_channels(exact), lrn_across_channels(rounded)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=0.02, atol=0)
    expected.backward(incoming.float())
    y.backward(incoming)
    assert exact.grad is not None and rounded.grad is not None and rounded.grad.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.grad.float(), exact.grad, rtol=0.03, atol=0.03)


def test_lrn_across_channels_under_autocast_takes_float32_and_gives_its_gradient() -> None:
    x = wild(2, 8, 4, 4).detach().float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = lrn_across_channels(x)
    torch.testing.assert_close(y.float(), lrn_across_channels(x).detach(), rtol=0.02, atol=0, check_stride=False)
    y.float().sum().backward()
    assert x.grad is not None and x.grad.dtype == torch.float32
    (expected,) = torch.autograd.grad(lrn_across_channels(x).sum(), x)
    torch.testing.assert_close(x.grad, expected, rtol=0.03, atol=0.03)


def both_ways(layer: Layer, x: Tensor, incoming: Tensor, way: str) -> tuple[Tensor, Tensor]:
    """The layer's output and its gradient, with the kernels or with torch's operations."""
    x = x.detach().requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLRLIB_KERNELS", way)
        y = layer(x)
        y.backward(incoming.to(y.dtype)[:, :, : y.shape[2], : y.shape[3]])
    assert x.grad is not None
    return y.detach(), x.grad


def channels_last(*shape: int, size: float = 100.0, dtype: torch.dtype = torch.float32) -> Tensor:
    values = size * torch.randn(*shape, generator=seeded(7))
    return values.to(dtype).to(memory_format=torch.channels_last)


compiled = pytest.mark.skipif(
    shutil.which(kernels.compiler()[0]) is None, reason="no C++ compiler: only torch's operations are here"
)


@compiled
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("shape", [(3, 16, 2, 2), (1, 48, 4, 10), (2, 32, 16, 16), (100, 32, 32, 32)])
def test_kernels_equal_torch_in_float32(layer: Layer, shape: tuple[int, ...]) -> None:
    x, incoming = channels_last(*shape), channels_last(*shape, size=1)
    assert kernels.fit(x)
    (y, dx), (expected, expected_dx) = (both_ways(layer, x, incoming, way) for way in ("fused", "torch"))
    # nine terms summed in another order: a few units in the last place
    torch.testing.assert_close(y, expected, rtol=2e-6, atol=2e-5)
    torch.testing.assert_close(dx, expected_dx, rtol=1e-5, atol=2e-6)


@compiled
@pytest.mark.parametrize("layer", LAYERS)
def test_kernels_in_bfloat16_are_the_float32_result_rounded_once(layer: Layer) -> None:
    x, incoming = (channels_last(4, 32, 16, 16, size=size, dtype=torch.bfloat16) for size in (100.0, 1.0))
    y, dx = both_ways(layer, x, incoming, "fused")
    exact, exact_dx = both_ways(layer, x.float(), incoming.float(), "fused")
    assert y.dtype == dx.dtype == torch.bfloat16
    assert torch.equal(y, exact.bfloat16()) and torch.equal(dx, exact_dx.bfloat16())


@compiled
def test_the_first_of_equal_largest_values_gets_the_gradient_as_in_caffe() -> None:
    x = torch.ones(1, 16, 4, 4).to(memory_format=torch.channels_last)
    _, dx = both_ways(max_pool_relu, x, torch.ones_like(x), "fused")
    assert dx[0, 5].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


@compiled
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_value_that_is_not_finite_goes_through_the_kernels(layer: Layer, value: float, dtype: torch.dtype) -> None:
    x = channels_last(1, 16, 4, 4, size=1, dtype=dtype)
    x[0, 3, 2, 2] = value
    y, dx = both_ways(layer, x, torch.ones_like(x), "fused")
    expected, expected_dx = both_ways(layer, x, torch.ones_like(x), "torch")
    assert not y[0, 3].isfinite().all()
    assert torch.equal(y.isnan(), expected.isnan())
    torch.testing.assert_close(dx, expected_dx, equal_nan=True, rtol=0.02, atol=0.02)
    assert y[0, :3].isfinite().all() and y[0, 4:].isfinite().all()


@compiled
@pytest.mark.parametrize("layer", LAYERS)
def test_threads_and_memory_layout_change_no_bit(layer: Layer) -> None:
    x, incoming = channels_last(9, 32, 8, 8), channels_last(9, 32, 8, 8, size=1)
    expected = both_ways(layer, x, incoming, "fused")
    assert all(map(torch.equal, expected, both_ways(layer, x, incoming.contiguous(), "fused")))
    torch.set_num_threads(2)
    assert all(map(torch.equal, expected, both_ways(layer, x, incoming, "fused")))


@pytest.mark.parametrize(
    ("layer", "way"),
    [*(pytest.param(layer, "fused", marks=compiled) for layer in LAYERS), (lrn_within_channel, "torch")],
)
def test_a_second_derivative_is_refused_rather_than_wrong(
    layer: Layer, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLRLIB_KERNELS", way)
    x = channels_last(1, 16, 4, 4).requires_grad_()
    (first,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"inplace operation|once_differentiable"):
        (first + x).sum().backward()


@compiled
def test_another_shape_is_an_error_and_no_read_beyond_the_end() -> None:
    assert kernels.load()
    ops, x, small = torch.ops.clrlib, channels_last(8, 16, 4, 4), channels_last(1, 16, 2, 2)
    place, root = small.byte(), channels_last(1, 16, 4, 4)
    with pytest.raises(RuntimeError, match="gradient is not the forward pass's"):
        ops.relu_average_pool_backward(small, x)
    with pytest.raises(RuntimeError, match="place is not the forward pass's"):
        ops.max_pool_relu_backward(channels_last(8, 16, 2, 2), place)
    with pytest.raises(RuntimeError, match="root is not the forward pass's"):
        ops.lrn_backward(x, x, root, 5e-5)
    with pytest.raises(RuntimeError, match="give a multiple of 16 channels, not 8"):
        ops.max_pool_relu(channels_last(1, 8, 4, 4))
    with pytest.raises(RuntimeError, match="give even rows and columns, not 3x4"):
        ops.max_pool_relu(channels_last(1, 16, 3, 4))
    with pytest.raises(RuntimeError, match="channels-last"):
        ops.lrn(torch.zeros(1, 16, 4, 4), 5e-5)
    with pytest.raises(NotImplementedError, match="Meta"):
        ops.lrn(x.to("meta"), 5e-5)
