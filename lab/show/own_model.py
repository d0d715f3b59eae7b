"""A reader's own images as batches, figures of how it went, a report to keep: for notebook 04."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

from lab import paths
from lab.data import image_sets
from lab.data.folders import LARGEST_SIDE, expanded
from lab.data.image_sets import DataError, ImageSet
from lab.files import write_atomically
from lab.records import provenance
from lab.show import page, plots, tables
from lab.show.figures import Drawn
from lab.training.device import pick_device

Loader = DataLoader[tuple[Tensor, ...]]
Part = str | Mapping[str, object] | Drawn  # of a report: a paragraph, names and values, a figure


# --- images ---------------------------------------------------------------------------------------------------------


def load_images(folder: str, side: int) -> ImageSet:
    """Images on the device that trains: scikit-learn's "digits", or those of a folder, each cut to a square.

    folder: holds train/<class>/* and test/<class>/* (or val/ for test/); an archive of such or a .npz does too.
    side: of an image, in pixels; the digits have 32.
    Raises DataError for a folder or an image that cannot be read, ValueError for another side.
    """
    if type(side) is not int or not 1 <= side <= LARGEST_SIDE:
        raise ValueError(f"side is {side!r}; give a whole number of pixels from 1 to {LARGEST_SIDE}")
    images = image_sets.load("digits") if folder == "digits" else image_sets.from_folder(expanded(folder), side)
    assert isinstance(images, ImageSet)
    return images.to(pick_device())


def loaders(images: ImageSet, batch: int) -> tuple[Loader, Loader, Loader]:
    """Batches (pixels from -1 to 1, labels) of three kinds: to train on, held out, test.

    Held out is a tenth of the training images, to read the bounds from: the test images choose nothing.
    Raises DataError where there are too few for that.
    """
    if (count := len(images.train_labels)) < 10:
        raise DataError(f"{images.label} has {count} training images, too few to hold a tenth out; give 10 or more")
    split = images.validation_split()
    return (
        _loader(split.train_images, split.train_labels, batch, shuffle=True),
        _loader(split.test_images, split.test_labels, batch),
        _loader(images.test_images, images.test_labels, batch),
    )


def _loader(pixels: Tensor, labels: Tensor, batch: int, shuffle: bool = False) -> Loader:
    """A DataLoader that takes each batch out of the tensors at once, wherever they are."""
    images = TensorDataset(pixels, labels)
    order = RandomSampler(images) if shuffle else SequentialSampler(images)
    one_left = shuffle and batch > 1 and len(images) % batch == 1
    if one_left:  # batch normalisation cannot train on a batch of one
        print(f"{len(images)} images make batches of {batch} and one of 1: each epoch leaves out one image, drawn anew")
    batches = BatchSampler(order, batch, drop_last=one_left)
    return DataLoader(images, None, sampler=batches, collate_fn=_scaled)  # type: ignore[arg-type]


def _scaled(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    pixels, labels = pair
    return pixels.float() / 127.5 - 1, labels


@torch.no_grad()
def accuracy(model: nn.Module, batches: Loader) -> float:
    """Percent of the images that get the highest score for their own class; leaves the model in eval mode.

    NaN where a score is not finite, as after a training that diverged.
    """
    model.eval()
    right = torch.cat([_right(model(pixels), labels) for pixels, labels in batches])
    return 100 * right.mean().item()


def _right(scores: Tensor, labels: Tensor) -> Tensor:
    """1 or 0 for each image, NaN where a score of it is not finite."""
    return torch.where(scores.isfinite().all(1), (scores.argmax(1) == labels).float(), math.nan)


# --- figures --------------------------------------------------------------------------------------------------------


def draw_images(images: ImageSet, most: int = 10) -> Drawn:
    """The first training image of each class, of the first ten."""
    classes = images.classes[:most]
    firsts = [images.train_images[images.train_labels == k][0] for k in range(len(classes))]
    strip = torch.cat([F.pad(image, (1, 1, 1, 1), value=255) for image in firsts], dim=2)
    figure, (axes,) = plots.new_figure(height=1.6)
    axes.imshow(strip.permute(1, 2, 0).cpu().numpy())
    slanted: dict[str, Any] = {"rotation": 20, "ha": "right"} if max(map(len, classes)) > 8 else {}
    axes.set_xticks((images.side + 2) * (np.arange(len(classes)) + 0.5), [*map(_short, classes)], **slanted)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_title(plots.fill(_counts(images), 54), loc="left", color="0.35")
    shown = "One of each" if classes == images.classes else f"One of each of the first {most}"
    return figure, f"{_counts(images)}. {shown}: {', '.join(classes)}."


def _short(name: str) -> str:
    """A class's name as there is room for it below its image."""
    return name if len(name) <= 20 else f"{name[:19]}…"


def _counts(images: ImageSet) -> str:
    train, test = len(images.train_labels), len(images.test_labels)
    return f"{images.label}: {train:,} train and {test:,} test images of {len(images.classes)} classes"


def draw_comparison(curves: Mapping[str, Sequence[float]]) -> Drawn:
    """Test accuracy (percent) after each epoch, a line a training."""
    figure, (axes,) = plots.new_figure()
    for (name, curve), marker in zip(curves.items(), "osD^v" * len(curves), strict=False):
        axes.plot(range(1, len(curve) + 1), curve, marker=marker, markersize=4, label=name)
    axes.set(xlabel="epoch", ylabel="test accuracy (%)")
    plots.label_ends(axes)
    return figure, f"Test accuracy after each epoch: {'; '.join(_ends(curves))}."


def _ends(curves: Mapping[str, Sequence[float]]) -> list[str]:
    ends = ((name, curve[-1]) for name, curve in curves.items())
    return [f"{name} {'diverged' if math.isnan(end) else f'ends at {end:.1f} %'}" for name, end in ends]


def in_words(curves: Mapping[str, Sequence[float]], test_images: int) -> str:
    """The end of each training, and the differences that say nothing.

    >>> in_words({"fixed": [50.0, 89.0], "CLR": [40.0, 90.0]}, test_images=100)
    'fixed ends at 89.0 %, CLR ends at 90.0 %. With 100 test images and one seed, less than 8.7 points may be chance.'
    """
    said = ", ".join(_ends(curves))
    best = max((curve[-1] for curve in curves.values() if not math.isnan(curve[-1])), default=None)
    if best is None:
        return f"{said}."
    n = test_images + 2  # one right and one wrong image more (Agresti and Caffo): 100 % of a few is not certain either
    right = (best / 100 * test_images + 1) / n
    chance = 200 * (2 * right * (1 - right) / n) ** 0.5  # two standard deviations of a difference
    return f"{said}. With {test_images:,} test images and one seed, less than {chance:.1f} points may be chance."


# --- report ---------------------------------------------------------------------------------------------------------


def write_report(name: str, title: str, parts: Mapping[str, Sequence[Part]]) -> str:
    """Write build/own_model/<name>.html, one file that holds its figures, and at its end the versions; gives its path.

    parts: what stands under each heading.
    """
    under = {**parts, "Made with": [made_with()]}
    text = "\n\n".join(f"## {tables.plain(heading)}\n\n{_as_text(some)}" for heading, some in under.items())
    path = paths.own_report(name)
    write_atomically(path, page.page(title, text).encode())
    return paths.shown(path)


def made_with() -> dict[str, str]:
    """The versions of what computes, and the device that trains."""
    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else provenance.cpu_name()
    return {**provenance.versions(), "device": name}


def _as_text(parts: Sequence[Part]) -> str:
    """The parts as Markdown; names and values as they print, one below the other."""
    paragraphs = []
    for part in parts:
        if isinstance(part, str):
            paragraphs.append(tables.plain(part))
        elif isinstance(part, Mapping):
            lines = "\n".join(f"{name}: {value}" for name, value in part.items())
            paragraphs.append(f"~~~~~\n{lines}\n~~~~~")
        else:
            figure, alt = part
            paragraphs.append(page.image(plots.encoded(figure, "png"), alt))
    return "\n\n".join(paragraphs)
