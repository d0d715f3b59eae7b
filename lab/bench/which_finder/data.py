"""The data of the tasks: what scikit-learn and other locked packages ship, CIFAR-10, and what a formula makes."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import Tensor

from lab.data import image_sets
from lab.data.order import generator

Pair = tuple[Tensor, Tensor]
CLASSES = ("automobile", "frog", "ship")  # of CIFAR-10
ANIMALS = ("cat", "deer", "dog", "horse")
PACKAGES = ("numpy", "pandas", "scipy", "sklearn")  # whose docstrings are told apart
WORDS, LENGTH = 4096, 48  # word numbers, with 0 for none; words of a paragraph that are read
TOKENS, LETTERS = 16, 6  # of a sequence
ALPHABET, BEFORE = " abcdefghijklmnopqrstuvwxyz", 24  # letters of a text, and how many of them are read


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and targets. heldout is a tenth of what could be trained on: a finder may look at it, no training does."""

    train: Pair
    heldout: Pair
    test: Pair


def split(inputs: Tensor, targets: Tensor, test: float = 0.25) -> Data:
    """Shares of the examples, drawn once for all seeds."""
    order = torch.randperm(len(targets), generator=generator(0, "split"))
    n = round(test * len(order))
    m = n + (len(order) - n) // 10
    parts = order[m:], order[n:m], order[:n]
    train, heldout, held_for_test = ((inputs[part], targets[part]) for part in parts)
    return Data(train, heldout, held_for_test)


@cache
def digits() -> Data:
    """1,797 digits, (N, 1, 8, 8) from 0 to 1."""
    images, labels = datasets.load_digits(return_X_y=True)
    return split(_floats(images).view(-1, 1, 8, 8) / 16, torch.as_tensor(labels))


@cache
def digits_again() -> Data:
    """Regression: the digits as their own targets, (N, 64), less the mean pixel."""
    images = _floats(datasets.load_digits().data) / 16
    return split(images.view(-1, 1, 8, 8), images - images.mean())


@cache
def cifar10(classes: tuple[str, ...] = CLASSES) -> Data:
    """2,000 images of some classes, (N, 3, 16, 16) from 0 to 255: pixels averaged by fours, to train in seconds."""
    images = image_sets.load("cifar10")
    assert isinstance(images, image_sets.ImageSet)
    wanted = torch.tensor([images.classes.index(name) for name in classes])
    places = torch.isin(images.train_labels, wanted).nonzero()[:, 0]
    chosen = places[torch.randperm(len(places), generator=generator(0, "subset"))[:2000]]
    labels = torch.searchsorted(wanted, images.train_labels[chosen])
    return split(F.avg_pool2d(images.train_images[chosen].float(), 2), labels, test=1 / 3)


@cache
def spirals() -> Data:
    """Two spirals of one and a half turns, 1,600 points with noise."""
    noise = np.random.default_rng(0)
    radius = np.sqrt(noise.random(1600)) * 3 * np.pi
    label = np.arange(1600) % 2
    angle = radius + np.pi * label
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1) / 5 + 0.08 * noise.standard_normal((1600, 2))
    return split(_floats(points), torch.as_tensor(label))


@cache
def friedman() -> Data:
    """Regression: Friedman's first function of ten numbers, of which five count, with noise."""
    return _regression(*datasets.make_friedman1(1600, noise=1.0, random_state=0))


@cache
def friedman3() -> Data:
    """Regression: Friedman's third function, an angle of four numbers of different sizes, with noise."""
    return _regression(*datasets.make_friedman3(1600, noise=0.1, random_state=0))


@cache
def hastie() -> Data:
    """1,600 points of ten normal numbers: is the sum of their squares above 9.34?"""
    points, signs = datasets.make_hastie_10_2(1600, random_state=0)
    return split(_floats(points), torch.as_tensor(signs > 0).long())


@cache
def diabetes() -> Data:
    """Regression: 442 patients, ten numbers each."""
    return _regression(*datasets.load_diabetes(return_X_y=True))


@cache
def breast_cancer() -> Data:
    """569 tumours, 30 numbers each, two classes."""
    return _table(*datasets.load_breast_cancer(return_X_y=True))


@cache
def wine() -> Data:
    """178 wines, 13 numbers each, three classes."""
    return _table(*datasets.load_wine(return_X_y=True))


@cache
def docstrings() -> Data:
    """Paragraphs of the docstrings of four packages, 700 each, as word numbers (N, LENGTH): which package is it?"""
    inputs, targets = [], []
    for label, package in enumerate(PACKAGES):
        paragraphs = sorted(_paragraphs(package))
        for k in torch.randperm(len(paragraphs), generator=generator(0, package))[:700].tolist():
            numbers = [zlib.crc32(word.encode()) % (WORDS - 1) + 1 for word in paragraphs[k].split()]
            inputs.append((numbers + LENGTH * [0])[:LENGTH])
            targets.append(label)
    return split(torch.tensor(inputs), torch.tensor(targets))


@cache
def letters() -> Data:
    """4,000 places in the docstrings of numpy: BEFORE letters (N, BEFORE) as numbers; which one comes next?"""
    text = torch.tensor([ALPHABET.index(letter) for letter in " ".join(sorted(_paragraphs("numpy")))])
    places = torch.randint(len(text) - BEFORE, (4000, 1), generator=generator(0, "letters"))
    return split(text[places + torch.arange(BEFORE)], text[places[:, 0] + BEFORE])


def _paragraphs(package: str) -> set[str]:
    """Paragraphs of 8 words or more from the docstrings, in small letters, without the packages' names."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    paragraphs = set()
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        if "tests" not in path.parts:
            for docstring in re.findall(r'"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL):
                for paragraph in re.split(r"\n\s*\n", docstring):
                    words = [w for w in re.findall(r"[a-z]+", paragraph.lower()) if w not in (*PACKAGES, "np", "pd")]
                    if len(words) >= 8 and ">>>" not in paragraph:
                        paragraphs.add(" ".join(words[:LENGTH]))
    return paragraphs


@cache
def sequences() -> Data:
    """Sequences of TOKENS out of LETTERS, (N, TOKENS): which letter is the most frequent, of several the first?"""
    letters = torch.randint(LETTERS, (3000, TOKENS), generator=generator(0, "sequences"))
    return split(letters, F.one_hot(letters, LETTERS).sum(1).argmax(1))


def _floats(numbers: np.ndarray) -> Tensor:
    return torch.as_tensor(numbers, dtype=torch.float32)


def _standardised(data: Data, part: int) -> Data:
    """The inputs (part 0) or targets (part 1) with the training examples' mean 0 and standard deviation 1."""
    mean, std = data.train[part].mean(0), data.train[part].std(0)

    def scaled(pair: Pair) -> Pair:
        numbers = [*pair]
        numbers[part] = (pair[part] - mean) / std
        return numbers[0], numbers[1]

    return Data(scaled(data.train), scaled(data.heldout), scaled(data.test))


def _table(inputs: np.ndarray, targets: np.ndarray) -> Data:
    return _standardised(split(_floats(inputs), torch.as_tensor(targets)), 0)


def _regression(inputs: np.ndarray, targets: np.ndarray) -> Data:
    return _standardised(_standardised(split(_floats(inputs), _floats(targets)[:, None]), 0), 1)


Source = Callable[[], Data]
