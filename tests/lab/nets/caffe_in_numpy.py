"""Caffe's convolution, pooling, ReLU and LRN, transcribed from caffe/src/caffe/layers in numpy."""

from math import ceil

import numpy as np


def convolution(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """5x5, pad 2, stride 1."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    y = np.zeros((len(x), len(weight), height, width)) + bias[:, None, None]
    for i in range(5):
        for j in range(5):
            patch = padded[:, :, i : i + height, j : j + width]
            y += np.einsum("nchw,oc->nohw", patch, weight[:, :, i, j], optimize=True)
    return y


def pool(x: np.ndarray, kind: str, stride: int = 2, pad: int = 0) -> np.ndarray:
    """3x3. The size is rounded up; an AVE window's divisor counts the padding, but nothing beyond it."""
    (height, width), size = x.shape[2:], 3
    rows, columns = (ceil((side + 2 * pad - size) / stride) + 1 for side in (height, width))
    y = np.empty((*x.shape[:2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride - pad, j * stride - pad
            bottom, right = min(top + size, height + pad), min(left + size, width + pad)
            window = x[:, :, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
            divisor = (bottom - top) * (right - left)
            y[:, :, i, j] = window.max((2, 3)) if kind == "MAX" else window.sum((2, 3)) / divisor
    return y


def relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.0)


def lrn(x: np.ndarray) -> np.ndarray:
    """WITHIN_CHANNEL, local_size 3, alpha 5e-5, beta 0.75: SPLIT, square, AVE pool with pad 1, POWER, PROD."""
    return x * (1 + 5e-5 * pool(x**2, "AVE", stride=1, pad=1)) ** -0.75
