"""Normalisation and augmentation: statistics against numpy; each augmented image must be a window of its image."""

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from made_nets import seeded
from torch import Tensor, nn

from lab.data.image_sets import ImageSet
from lab.nets.inputs import FromImages, mean_colour, per_channel, per_pixel, per_pixel_one_std

MEAN, STD = torch.tensor([100.0, 120.0, 140.0])[:, None, None], torch.tensor([50.0, 60.0, 70.0])[:, None, None]


def noise(count: int, height: int, width: int) -> Tensor:
    """Images in which no two windows are alike."""
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=seeded(1))


def through(images: Tensor, flip: bool = False, shift: int = 0, crop: int = 0, training: bool = True) -> Tensor:
    seen: Tensor = FromImages(nn.Identity(), MEAN, STD, flip, shift, crop).train(training)(images)
    return seen


# --- normalisation -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> ImageSet:
    """1,201 training images of 3x2x4 pixels with a bright and a dark corner; test images that must not matter."""
    random = np.random.default_rng(0)
    centre = np.linspace(40, 200, 24).reshape(3, 2, 4)
    pixels = random.normal(centre, 20, (1201, 3, 2, 4)).clip(0, 255).astype(np.uint8)
    train, labels = torch.from_numpy(pixels), torch.zeros(1201, dtype=torch.int64)
    return ImageSet("small", "small", ("a",), train, labels, torch.zeros_like(train[:5]), labels[:5], "0" * 64, "here")


@pytest.mark.parametrize(
    ("normalisation", "axes", "deviation"),
    [
        (per_channel, (0, 2, 3), lambda pixels, _: pixels.std((0, 2, 3), keepdims=True)[0]),
        (per_pixel_one_std, (0,), lambda pixels, mean: (pixels - mean).std()),
        (per_pixel, (0,), lambda *_: 1.0),
        (mean_colour, (0, 2, 3), lambda *_: 1.0),
    ],
)
def test_mean_and_deviation_are_numpys(
    normalisation: Any, axes: tuple[int, ...], deviation: Any, small: ImageSet
) -> None:
    pixels = small.train_images.numpy().astype(np.float64)
    mean, std = normalisation(small)
    expected = pixels.mean(axes, keepdims=True)[0]
    assert mean.shape == expected.shape and mean.dtype == std.dtype == torch.float32
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    np.testing.assert_allclose(std, deviation(pixels, expected), rtol=1e-6)


# --- evaluation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "crop", "top", "left"), [(6, 6, 4, 1, 1), (7, 6, 4, 1, 1), (5, 8, 5, 0, 1), (5, 7, 0, 0, 0)]
)
def test_evaluation_cuts_to_the_centre_and_draws_nothing(
    height: int, width: int, crop: int, top: int, left: int
) -> None:
    images, before = noise(3, height, width), torch.get_rng_state()
    expected = ((images - MEAN) / STD)[:, :, top : top + (crop or height), left : left + (crop or width)]
    assert torch.equal(through(images, flip=True, shift=2, crop=crop, training=False), expected)
    assert torch.equal(torch.get_rng_state(), before)


# --- training ------------------------------------------------------------------------------------------------------


def every_window(image: Tensor, flip: bool, shift: int, crop: int) -> dict[tuple[int, int, bool], Tensor]:
    """All that may become of an image, by its first row, its first column and whether it is mirrored."""
    x = F.pad((image - MEAN) / STD, (shift,) * 4)
    height, width = (crop, crop) if crop else image.shape[1:]
    places = product(range(x.shape[1] - height + 1), range(x.shape[2] - width + 1), (False, True) if flip else (False,))
    cut = {(i, j, mirrored): x[:, i : i + height, j : j + width] for i, j, mirrored in places}
    return {place: window.flip(2) if place[2] else window for place, window in cut.items()}


@pytest.mark.parametrize(
    ("height", "width", "flip", "shift", "crop", "windows"),
    [
        (5, 5, False, 1, 0, 9),
        (4, 6, True, 1, 0, 18),
        (6, 6, True, 0, 4, 18),
        (6, 5, False, 0, 4, 6),
        (6, 6, True, 0, 0, 2),
        (6, 6, True, 1, 4, 50),  # shifted, cut and mirrored at once: from 5 rows and 5 columns
        (5, 7, False, 0, 0, 1),
    ],
)
def test_every_window_and_mirror_image_comes_and_as_often_as_any_other(
    height: int, width: int, flip: bool, shift: int, crop: int, windows: int
) -> None:
    """Each augmented image is just one window of its own image, by a separate draw."""
    torch.manual_seed(0)
    images, counts = noise(30, height, width), Counter[tuple[int, int, bool]]()
    possible = [every_window(image, flip, shift, crop) for image in images]
    for _ in range(12):
        for of_image, seen in zip(possible, through(images, flip, shift, crop), strict=True):
            (place,) = [place for place, window in of_image.items() if torch.equal(window, seen)]
            counts[place] += 1
    assert len(counts) == windows and counts.total() == 360
    deviation = (360 / windows * (1 - 1 / windows)) ** 0.5
    assert max(abs(count - 360 / windows) for count in counts.values()) <= 4 * deviation


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("height", "width"), [(6, 9), (9, 6)])
def test_a_crop_larger_than_the_images_is_refused(height: int, width: int, training: bool) -> None:
    """Also where the zeros of a shift would make up for it."""
    with pytest.raises(ValueError, match=f"^crop is 7, images are {width}x{height} pixels; give less$"):
        through(noise(2, height, width), shift=3, crop=7, training=training)
