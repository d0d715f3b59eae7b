"""What stands before a net: statistics against numpy; every augmented image is looked for in its own image."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab.data.image_sets import ImageSet
from lab.nets.inputs import FromImages, mean_colour, per_channel, per_pixel, per_pixel_one_std

MEAN, STD = torch.tensor([100.0, 120.0, 140.0])[:, None, None], torch.tensor([50.0, 60.0, 70.0])[:, None, None]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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


def pixels_of(images: ImageSet) -> np.ndarray:
    return images.train_images.numpy().astype(np.float64)


def test_per_channel_is_numpys_mean_and_deviation(small: ImageSet) -> None:
    mean, std = per_channel(small)
    assert mean.shape == std.shape == (3, 1, 1) and mean.dtype == std.dtype == torch.float32
    np.testing.assert_allclose(mean.flatten(), pixels_of(small).mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std.flatten(), pixels_of(small).std((0, 2, 3)), rtol=1e-6)


def test_per_pixel_one_std_is_the_mean_image_and_the_deviation_of_what_is_left(small: ImageSet) -> None:
    mean, std = per_pixel_one_std(small)
    assert mean.shape == (3, 2, 4) and std.shape == () and mean.dtype == std.dtype == torch.float32
    expected = pixels_of(small).mean(0)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    np.testing.assert_allclose(std, (pixels_of(small) - expected).std(), rtol=1e-6)
    assert std < 0.5 * pixels_of(small).std(), "the mean image explains most of it"


def test_per_pixel_is_the_mean_image_without_scaling(small: ImageSet) -> None:
    mean, std = per_pixel(small)
    np.testing.assert_allclose(mean, pixels_of(small).mean(0), rtol=1e-6)
    assert std == 1


def test_mean_colour_is_one_mean_a_channel_without_scaling(small: ImageSet) -> None:
    mean, std = mean_colour(small)
    assert mean.shape == (3, 1, 1) and std == 1
    np.testing.assert_allclose(mean.flatten(), pixels_of(small).mean((0, 2, 3)), rtol=1e-6)


def test_the_net_sees_what_is_left_over_its_deviation(small: ImageSet) -> None:
    x = FromImages(nn.Identity(), *per_channel(small)).eval()(small.train_images)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std((0, 2, 3), unbiased=False), torch.ones(3), rtol=0, atol=1e-5)
    x = FromImages(nn.Identity(), *per_pixel_one_std(small)).eval()(small.train_images)
    torch.testing.assert_close(x.mean(0), torch.zeros(3, 2, 4), rtol=0, atol=1e-5)
    assert x.std(unbiased=False).item() == pytest.approx(1, rel=1e-5)


def test_uint8_and_float_images_give_the_same() -> None:
    images = noise(3, 5, 5)
    assert torch.equal(through(images, training=False), through(images.float(), training=False))


# --- evaluation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "crop", "top", "left"), [(6, 6, 4, 1, 1), (7, 6, 4, 1, 1), (5, 8, 5, 0, 1)]
)
def test_evaluation_cuts_to_the_centre(height: int, width: int, crop: int, top: int, left: int) -> None:
    images = noise(3, height, width)
    expected = ((images - MEAN) / STD)[:, :, top : top + crop, left : left + crop]
    assert torch.equal(through(images, flip=True, shift=2, crop=crop, training=False), expected)


def test_evaluation_draws_nothing_and_keeps_the_whole_image() -> None:
    images, before = noise(3, 5, 7), torch.get_rng_state()
    assert torch.equal(through(images, flip=True, shift=2, training=False), (images - MEAN) / STD)
    assert torch.equal(torch.get_rng_state(), before)


# --- training ------------------------------------------------------------------------------------------------------


def every_window(image: Tensor, flip: bool, shift: int, crop: int) -> dict[tuple[int, int, bool], Tensor]:
    """All that may become of an image, by its first row, its first column and whether it is mirrored."""
    x = F.pad((image - MEAN) / STD, (shift,) * 4)
    height, width = (crop, crop) if crop else image.shape[1:]
    places = product(range(x.shape[1] - height + 1), range(x.shape[2] - width + 1), (False, True) if flip else (False,))
    cut = {(i, j, mirrored): x[:, i : i + height, j : j + width] for i, j, mirrored in places}
    return {place: window.flip(2) if place[2] else window for place, window in cut.items()}


def found(images: Tensor, batches: int, flip: bool, shift: int, crop: int) -> Counter[tuple[int, int, bool]]:
    """How often each window came; every augmented image must be just one window of its own image."""
    windows, counts = [every_window(image, flip, shift, crop) for image in images], Counter[tuple[int, int, bool]]()
    for _ in range(batches):
        for own, seen in zip(windows, through(images, flip, shift, crop), strict=True):
            (place,) = [place for place, window in own.items() if torch.equal(window, seen)]
            counts[place] += 1
    return counts


@pytest.mark.parametrize(
    ("height", "width", "flip", "shift", "crop", "windows"),
    [
        (5, 5, False, 1, 0, 9),
        (4, 6, True, 1, 0, 18),
        (6, 6, True, 0, 4, 18),
        (6, 5, False, 0, 4, 6),
        (6, 6, True, 0, 0, 2),
    ],
)
def test_every_window_and_mirror_image_comes_and_as_often_as_any_other(
    height: int, width: int, flip: bool, shift: int, crop: int, windows: int
) -> None:
    torch.manual_seed(0)
    counts = found(noise(30, height, width), 12, flip, shift, crop)
    assert len(counts) == windows and counts.total() == 360
    deviation = (360 / windows * (1 - 1 / windows)) ** 0.5
    assert max(abs(count - 360 / windows) for count in counts.values()) < 4 * deviation


def test_shifted_cut_and_mirrored_at_once() -> None:
    """6 pixels shifted by up to 1 each way and cut to 4: from 5 rows and 5 columns."""
    torch.manual_seed(0)
    assert len(found(noise(40, 6, 6), 15, True, 1, 4)) == 50


def test_without_augmentation_training_is_evaluation() -> None:
    images = noise(3, 5, 7)
    assert torch.equal(through(images), through(images, training=False))


def test_what_comes_in_is_zero_for_the_net_whatever_the_mean() -> None:
    torch.manual_seed(0)
    x = through(torch.full((50, 3, 6, 6), 200, dtype=torch.uint8), shift=2)
    inside = ((200 - MEAN) / STD)[:, 0, 0]
    for channel in range(3):
        assert set(x[:, channel].flatten().tolist()) == {0.0, inside[channel].item()}
    zeros = (x[:, 0] == 0).flatten(1).sum(1)
    assert zeros.min() == 0 and zeros.max() == 36 - 4 * 4


def test_each_image_of_a_batch_has_its_own_draw() -> None:
    torch.manual_seed(0)
    x = through(noise(1, 6, 6).expand(50, -1, -1, -1), flip=True, shift=1)
    assert len({tuple(image.flatten().tolist()) for image in x}) > 12


@pytest.mark.parametrize("settings", [{"flip": True}, {"shift": 2}, {"crop": 4}, {"flip": True, "shift": 1, "crop": 5}])
def test_the_draw_comes_from_torchs_seed(settings: dict[str, int]) -> None:
    images, batches = noise(20, 6, 6), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        batches.append(through(images, **settings))  # type: ignore[arg-type]
    assert torch.equal(batches[0], batches[1]) and not torch.equal(batches[0], batches[2])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("height", "width"), [(6, 9), (9, 6), (6, 6)])
def test_a_crop_larger_than_the_images_is_refused(height: int, width: int, training: bool) -> None:
    """Also where the zeros of a shift would make up for it."""
    with pytest.raises(ValueError, match=f"^crop is 7, images are {width}x{height} pixels; give less$"):
        through(noise(2, height, width), shift=3, crop=7, training=training)


# --- as a module ---------------------------------------------------------------------------------------------------


class Summed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.sum((1, 2, 3))

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        return [{"params": [self.scale], "lr_mult": 3.0, "weight_decay": 7 * weight_decay}]


def test_mean_and_deviation_are_saved_and_moved_but_not_trained() -> None:
    net = FromImages(Summed(), MEAN, STD)
    assert set(net.state_dict()) == {"mean", "std", "net.scale"}
    assert torch.equal(net.state_dict()["mean"], MEAN) and torch.equal(net.state_dict()["std"], STD)
    assert [name for name, _ in net.named_parameters()] == ["net.scale"]
    assert net.double()(noise(2, 4, 4)).dtype == torch.float64
    assert {value.device.type for value in net.to("meta").state_dict().values()} == {"meta"}


def test_the_groups_are_the_nets_own() -> None:
    net = Summed()
    assert FromImages(net, MEAN, STD).parameter_groups(0.5) == [
        {"params": [net.scale], "lr_mult": 3.0, "weight_decay": 3.5}
    ]
