"""Images decoded as they are used: the batches and the weights that the same images give from memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from clrlib import Fixed
from lab import paths
from lab.data import image_sets, imagenet
from lab.data.image_sets import DataError, ImageSet
from lab.data.imagenet import SIDE, StreamedImages, decode
from lab.data.order import BatchOrder
from lab.experiments.run import Run
from lab.nets.inputs import mean_colour, per_pixel
from lab.records import checkpoints, store, trainer
from lab.records.trainer import OutOfTime, train
from lab.show import notebook
from lab.sweep.progress import Progress
from lab.training.loop import Training

CLASSES = ("n01", "n02", "n03")
TRAIN, VAL = 5, 2  # images of a class
RUN = Run(
    "made", Fixed(0.001), 7, data="imagenet", batch=4, order="once", evaluate_every=2
)  # 28 of 15 images: it begins anew
ALEXNET = replace(RUN, net="alexnet", iterations=3, evaluate_every=3, crop=64, flip=True)
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes"),  # on a single core
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),  # Python 3.12 on
]


@pytest.fixture(autouse=True)
def three_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ImageNet has three classes here, and data/ is the test's."""
    monkeypatch.setattr(imagenet, "CLASSES", 3)
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.delenv("CLRLIB_DATA", raising=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """data/imagenet/ with images of different sizes."""
    return made(tmp_path / "data" / "imagenet", lambda random: random.integers(20, 90, 2))


def made(folder: Path, size: Callable[[np.random.Generator], Any], suffix: str = "JPEG") -> Path:
    """A tree of images of noise, a colour for each class."""
    random = np.random.default_rng(0)
    for split, count in (("train", TRAIN), ("val", VAL)):
        for k, label in enumerate(CLASSES):
            (folder / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 156, (*size(random), 3)) + np.eye(3, dtype=int)[k] * 100
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / label / f"{label}_{i}.{suffix}")
    return folder


def images_of(tree: Path, workers: int = 0, **changes: Any) -> StreamedImages:
    """As read, but decoded by so many processes; small, but where the test says otherwise."""
    assert imagenet.find() == tree
    return replace(imagenet.read(), **{"workers": workers, "side": 32, **changes})


def both(batches: Any) -> tuple[Tensor, Tensor]:
    """The images and the labels of all batches."""
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def trained(run: Run, images: image_sets.Images, *arguments: Any) -> tuple[dict[str, list[float]], dict[str, Tensor]]:
    """The curves, and the weights at the end."""
    weights: dict[str, Tensor] = {}
    record = train(run, images, *arguments, report=lambda t: weights.update(t.net.state_dict()))
    return record.curves, weights


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("order", ["file", "once", "epoch"])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_are_in_order_with_any_number_of_workers(tree: Path, workers: int, order: str) -> None:
    images = images_of(tree, workers)
    batch_order = BatchOrder(15, 4, seed=1, order=order)
    indices = torch.cat([batch_order(t) for t in range(2, 9)])
    before = torch.get_rng_state()
    pixels, labels = both(images.batches(batch_order, 2, 9))
    assert torch.equal(torch.get_rng_state(), before), "which dropout draws from"
    assert pixels.dtype == torch.uint8 and labels.dtype == torch.int64 and pixels.is_contiguous()
    assert torch.equal(labels, images.train_labels[indices])
    for image, name in zip(pixels, images.train_files[indices], strict=True):
        assert np.array_equal(image, decode(tree / name, 32))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_test_batches_are_all_images_in_order(tree: Path, workers: int) -> None:
    images = images_of(tree, workers)
    assert [len(labels) for _, labels in images.test_batches(4)] == [4, 2]
    pixels, labels = both(images.test_batches(4))
    assert torch.equal(labels, images.test_labels) and labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert pixels.float().mean((2, 3)).argmax(1).tolist() == labels.tolist(), "a colour for each class"


def test_no_more_processes_decode_than_there_are_batches(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, asked = images_of(tree, workers=3), []

    def without_workers(*arguments: Any, num_workers: int, **settings: Any) -> Any:
        asked.append(num_workers)
        return DataLoader(*arguments, **settings)

    monkeypatch.setattr(imagenet, "DataLoader", without_workers)
    both(images.batches(BatchOrder(15, 4, 0, "once"), 2, 4))
    both(images.test_batches(4))
    both(images.test_batches(1))
    images.mean_image()
    assert asked == [2, 2, 3, 1]


def test_images_are_scaled_on_both_sides_whatever_their_mode(tmp_path: Path) -> None:
    pixels = np.zeros((30, 60, 3), np.uint8)
    pixels[:, 30:] = 200
    for mode, name in (("RGB", "a.JPEG"), ("L", "b.JPEG"), ("CMYK", "c.JPEG"), ("RGBA", "d.png")):
        Image.fromarray(pixels).convert(mode).save(tmp_path / name)
    Image.fromarray(pixels).save(tmp_path / "a PNG.JPEG", format="PNG")  # ImageNet has one
    for path in tmp_path.iterdir():
        image = decode(path, SIDE)
        assert image.shape == (3, 256, 256) and image.dtype == np.uint8
        assert image[:, :, :100].max() < 20 and abs(image[:, :, 156:].astype(int) - 200).max() < 20


def test_names_and_labels_are_read(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "train" / "n01" / "._n01_0.JPEG").write_text("left by a file manager")
    (tree / "train" / "notes.txt").write_text("not a class")
    images = image_sets.load("imagenet")
    assert isinstance(images, StreamedImages)
    assert (images.name, images.label, images.side, images.classes) == ("imagenet", "ImageNet", 256, CLASSES)
    assert images.train_labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5 and images.train_labels.dtype == torch.int64
    assert images.train_files[5] == "train/n02/n02_0.JPEG"
    assert images.workers >= 1 and images.device == torch.device("cpu")
    assert capsys.readouterr().out.splitlines()[-1] == "data: ImageNet: 15 train and 6 test images, from imagenet"


def test_the_hash_is_of_names_and_sizes(tree: Path) -> None:
    before = imagenet.read().sha256
    path = tree / "train" / "n01" / "n01_0.JPEG"
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    assert imagenet.read().sha256 == before, "not of what is in the files"
    path.write_bytes(content + b" ")
    longer = imagenet.read().sha256
    path.write_bytes(content)
    path.rename(path.with_name("n01_9.JPEG"))
    assert len({before, longer, imagenet.read().sha256}) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named(tree: Path, workers: int) -> None:
    broken = tree / "train" / "n02" / "n02_3.JPEG"
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(DataError, match=r"^\S+/train/n02/n02_3.JPEG is not a readable image \(.+\); get it again$"):
        train(RUN, images_of(tree, workers))


def test_an_incomplete_copy_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "val" / "n03").rename(tree / "n03")
    with pytest.raises(DataError, match=r"imagenet: class 'n03' has no images in val/<class>/; get a complete copy"):
        imagenet.read()
    (tree / "n03").rename(tree / "val" / "n03")
    for path in (tree / "train" / "n02").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"class 'n02' has no images in train/<class>/"):
        imagenet.read()
    for path in (tree / "val" / "n02").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"imagenet has images of 2 classes, not 3; get a complete copy"):
        imagenet.read()


def test_clrlib_data_comes_first_then_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"^ImageNet is not at data/. Put it there as a folder named imagenet, with "):
        image_sets.load("imagenet")
    here = made(tmp_path / "data" / "imagenet", lambda _: (8, 8))
    elsewhere = made(tmp_path / "disk" / "ILSVRC2012", lambda _: (8, 8))
    other_name = made(tmp_path / "mine", lambda _: (8, 8))
    assert imagenet.find() == here
    for named, place in ((tmp_path / "disk", elsewhere), (elsewhere, elsewhere), (other_name, other_name)):
        monkeypatch.setenv("CLRLIB_DATA", str(named))
        assert imagenet.find() == place
    monkeypatch.setattr(imagenet, "CLASSES", 1000)
    assert imagenet.find() == here, "three classes are another data set, but for the name"


def test_a_folder_that_is_imagenet_is_not_taken_for_cifar_10(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_DATA", str(tree))
    with pytest.raises(DataError, match="CIFAR-10 is not at data/ "):
        image_sets.load("cifar10")


def test_a_notebook_has_it_where_it_is(tree: Path, few: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "images_for", lambda *_: few)
    assert notebook.data_for("paper") == {"cifar10": "made", "imagenet": "imagenet"}
    (tree / "val").rename(tree / "validation")
    assert notebook.data_for("paper") == {"cifar10": "made"}


def test_the_mean_is_of_a_fixed_sample_and_kept(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = images_of(tree)
    pixels = np.stack([decode(tree / name, 32) for name in images.train_files])
    mean, scale = per_pixel(images)
    np.testing.assert_allclose(mean, pixels.mean(0, dtype=np.float64), rtol=1e-6)
    assert mean.dtype == torch.float32 and scale == 1
    np.testing.assert_allclose(mean_colour(images)[0][:, 0, 0], pixels.mean((0, 2, 3), dtype=np.float64), rtol=1e-6)
    with monkeypatch.context() as patch:
        patch.setattr(imagenet, "decode", None)  # never again
        assert torch.equal(images.mean_image(), mean)
    monkeypatch.setattr(imagenet, "SAMPLE", 6)
    sample = images.mean_image()
    assert not torch.equal(sample, mean)
    (kept,) = (paths.DATA / "cache").glob("*-of-6-*")
    kept.unlink()
    assert torch.equal(images.mean_image(), sample), "drawn again, the same"
    whole = kept.read_bytes()
    for damaged in (whole[:200], whole[:300] + b"?" + whole[301:]):
        kept.write_bytes(damaged)
        assert torch.equal(images.mean_image(), sample)
        assert "is damaged; made again" in capsys.readouterr().out and kept.read_bytes() == whole


def test_settings_that_need_it_in_memory_are_refused(tree: Path) -> None:
    images = images_of(tree)
    for changes in ({"test_on": "validation"}, {"hold_out": True}):
        with pytest.raises(ValueError, match="ImageNet has no training images held out; leave test_on and hold_out"):
            Training(replace(RUN, **changes), images)
    with pytest.raises(ValueError, match="ImageNet is not held in memory; train a net that needs no more than the m"):
        Training(replace(RUN, net="resnet8"), images)


@pytest.mark.parametrize("workers", [0, 2])
def test_from_the_disk_as_from_memory(tmp_path: Path, workers: int) -> None:
    """The same images, the same weights: AlexNet draws crops, mirror images and dropout."""
    images = images_of(made(tmp_path / "data" / "imagenet", lambda _: (80, 80), "png"), workers, side=80)
    train_images, test_images = (
        torch.from_numpy(np.stack([decode(images.folder / name, 80) for name in files]))
        for files in (images.train_files, images.test_files)
    )
    with Image.open(images.folder / images.train_files[0]) as first:
        assert np.array_equal(train_images[0].permute(1, 2, 0), first), "a PNG of the right size comes as it is"
    parts = train_images, images.train_labels, test_images, images.test_labels
    held = ImageSet(images.name, images.label, images.classes, *parts, images.sha256, images.source)
    curves, weights = trained(ALEXNET, images)
    curves_held, weights_held = trained(ALEXNET, held)
    assert curves == curves_held and same(weights, weights_held)


@pytest.mark.parametrize("order", ["once", "epoch"])
def test_resumed_equals_uninterrupted(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    run, path = replace(RUN, order=order), tmp_path / "run.pt"
    curves, weights = trained(run, images_of(tree))
    with pytest.raises(OutOfTime, match="stopped after 1 of 7 iterations"):
        train(run, images_of(tree), path, until=0.0)
    resumed = Training(run, images_of(tree))
    checkpoints.load(path, resumed)
    assert resumed.done == 1 and len(resumed.losses) == 1, "in the middle of an interval"
    curves_resumed, weights_resumed = trained(run, images_of(tree, workers=2), path)
    assert curves_resumed == curves and same(weights_resumed, weights)


def test_a_training_end_to_end_says_both_rates(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = images_of(tree, workers=2, side=SIDE)
    asked: list[int] = []

    def loader_rate(self: StreamedImages, batch: int) -> float:
        asked.append(batch)
        return 2950.4

    with monkeypatch.context() as patch:
        patch.setattr(store, "_images", lambda name: images)
        patch.setattr(StreamedImages, "loader_rate", loader_rate)
        record = store.load_or_train(ALEXNET, tmp_path / "results", report=Progress)
    assert asked == [4]
    assert record.data == {"name": "imagenet", "label": "ImageNet", "sha256": images.sha256}
    assert record.curves["iteration"] == [3] and record.diverged_at is None
    line = capsys.readouterr().out.splitlines()[-1]
    rate = 4 * record.iterations_per_second
    assert line.endswith(" images/s (the loader alone: 2,950)")
    assert float(line.split(" images/s")[0].split()[-1].replace(",", "")) == pytest.approx(rate, rel=0.01, abs=1)


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_the_loaders_rate_is_timed_on_whole_rounds_after_the_first(
    tree: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    images, taken = images_of(tree, workers), []

    def batches(self: StreamedImages, order: BatchOrder, start: int, stop: int) -> Any:
        for t in range(start, stop):
            taken.append(t)
            yield torch.zeros(order.batch, 3, 1, 1), torch.zeros(order.batch)

    class Clock:
        def perf_counter(self) -> float:
            return float(len(taken))

    monkeypatch.setattr(StreamedImages, "batches", batches)
    monkeypatch.setattr(imagenet, "time", Clock())
    assert images.loader_rate(8) == 8, "a batch of 8 at each tick"
    first = max(1, workers)
    assert 24 <= len(taken) - first < 24 + first and len(taken) % first == 0


def test_the_loaders_rate_is_measured(tree: Path) -> None:
    assert images_of(tree, workers=1).loader_rate(2) > 0
