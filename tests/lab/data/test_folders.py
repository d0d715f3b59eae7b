"""Image folders: what is read and left out, what is refused, and that torchvision reads them alike."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image
from trees import encoded, put_archive, put_folder, tree

from lab.data import arrays as copies
from lab.data import folders, pictures
from lab.data.arrays import Arrays, DataError
from lab.data.folders import read_image_folder

CLASSES = ("ant", "bee")
TREE = tree(CLASSES, 2, 1)
Put = Callable[[Path, dict[str, bytes]], Path]
pytestmark = pytest.mark.usefixtures("data_folder")


def as_folder(place: Path, files: dict[str, bytes]) -> Path:
    return put_folder(place / "a", files)


def as_archive(place: Path, files: dict[str, bytes]) -> Path:
    return put_archive(place / "a.tar.xz", files)


BOTH = pytest.mark.parametrize("put", [as_folder, as_archive])


def assert_is_the_tree(arrays: Arrays) -> None:
    assert arrays.classes == CLASSES
    assert arrays.train_images.shape == (4, 3, 4, 4) and arrays.train_images.dtype == np.uint8
    assert arrays.train_images[:, 0, 0, 0].tolist() == [1, 3, 21, 23]
    assert arrays.train_images[0, :, 3, 3].tolist() == [1, 0, 255]
    assert arrays.train_labels.tolist() == [0, 0, 1, 1] and arrays.train_labels.dtype == np.int64
    assert arrays.test_images[:, 0, 0, 0].tolist() == [0, 20]
    assert arrays.test_labels.tolist() == [0, 1]


def refused(source: Path, match: str, *arguments: Any) -> None:
    with pytest.raises(DataError, match=match):
        read_image_folder(source, *arguments)


# --- what is read, and what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize("val", ["test", "val"])
def test_a_folder_is_read_class_by_class(tmp_path: Path, val: str) -> None:
    arrays = read_image_folder(put_folder(tmp_path / "images", tree(CLASSES, 2, 1, val=val)))
    assert_is_the_tree(arrays)
    assert arrays.encoding == "png"


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
@pytest.mark.parametrize("top", ["", "./", "images-4/"])
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, suffix: str, top: str) -> None:
    backwards = {top + name: content for name, content in reversed(TREE.items())}
    assert_is_the_tree(read_image_folder(put_archive(tmp_path / f"images{suffix}", backwards)))
    assert not (tmp_path / "train").exists() and not Path("train").exists()


@BOTH
def test_files_that_are_no_images_are_counted_by_kind(
    tmp_path: Path, put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for hidden ones, and those of other folders."""
    hidden = ("train/ant/._0.png", "train/.hidden/0.png", ".DS_Store", "a.csv", "notes/ant/0.png")
    other = ("train/ant/0.heic", "val/bee/1.HEIC", "train/ant/deep/notes.txt", "train/ant/README", "train/0.png")
    source = put(tmp_path, TREE | dict.fromkeys((*hidden, *other), b"no image"))
    assert_is_the_tree(read_image_folder(source))
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "left out" in line)
    what, counts = line.split(" that are left out: ")
    assert what == f"data: files of {source.name}"
    assert sorted(counts.split(", ")) == ["1 .txt", "1 in train/ but in no class", "1 without a suffix", "2 .heic"]


@BOTH
def test_images_in_folders_of_a_class_are_the_classes(tmp_path: Path, put: Put) -> None:
    moved = {name.replace("/1.png", "/1/more/0.png"): content for name, content in TREE.items()}
    assert_is_the_tree(read_image_folder(put(tmp_path, moved)))


def test_torchvision_reads_the_same_in_the_same_order(tmp_path: Path) -> None:
    """Kinds, sub-folders and links to folders, as its ImageFolder has them."""
    random, source = np.random.default_rng(0), tmp_path / "a"
    for i, suffix in enumerate(("jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", "JPG")):
        for name in (f"train/ant/{i}.{suffix}", f"train/bee/sub/{i}.{suffix}", f"test/ant/{i}.{suffix}"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(pixels).convert("L" if suffix == "pgm" else "RGB").save(source / name)
    (source / "test" / "bee").symlink_to(source / "train" / "bee" / "sub")
    (source / "train" / "ant" / "again").symlink_to(source / "train")  # round in a circle
    arrays = read_image_folder(source)
    (source / "train" / "ant" / "again").unlink()
    assert arrays.encoding == "mixed"
    for split in ("train", "test"):
        theirs = torchvision.datasets.ImageFolder(source / split)
        ours, labels = getattr(arrays, f"{split}_images"), getattr(arrays, f"{split}_labels")
        assert tuple(theirs.classes) == arrays.classes and theirs.targets == labels.tolist()
        for mine, (image, _) in zip(ours, theirs, strict=True):
            assert np.array_equal(mine.transpose(1, 2, 0), image)


def test_test_wins_over_val(tmp_path: Path) -> None:
    assert_is_the_tree(read_image_folder(put_folder(tmp_path / "a", TREE | {"val/ant/0.png": b"unread"})))


def test_classes_are_in_order_of_their_names_not_of_their_paths(tmp_path: Path) -> None:
    arrays = read_image_folder(put_folder(tmp_path / "a", tree(("a-b", "a"), 1, 1)))
    assert (arrays.classes, arrays.train_labels.tolist()) == (("a", "a-b"), [0, 1])


def test_the_encoding_is_told_by_the_content(tmp_path: Path) -> None:
    for one, other, encoding in (("JPEG", "JPEG", "jpeg"), ("PNG", "JPEG", "mixed"), ("GIF", "GIF", "gif")):
        files = {"train/ant/0.png": encoded((9, 9, 9), kind=one), "test/ant/0.jpg": encoded((9, 9, 9), kind=other)}
        assert read_image_folder(put_folder(tmp_path / encoding, files)).encoding == encoding


def test_an_image_may_be_larger_than_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do the headers of several files count together."""
    monkeypatch.setattr(folders, "LARGEST_HEADER", 2048)
    pixels = noise(40, 40).astype(np.uint8)
    files = dict.fromkeys(TREE, drawn(pixels)) | {f"notes/{i}.txt": b"no image" for i in range(9)}
    arrays = read_image_folder(put_archive(tmp_path / "images.tar.gz", files))
    assert (arrays.train_images == pixels.transpose(2, 0, 1)).all() and len(drawn(pixels)) > 2 * 2048


def test_a_name_that_is_not_utf_8_is_read_but_not_as_a_class(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    moved = {path.replace("/1.png", f"/{name}.png"): content for path, content in TREE.items()}
    assert_is_the_tree(read_image_folder(put_folder(tmp_path / "a", moved)))
    refused(put_folder(tmp_path / "b", moved | {f"train/bee/{name}.png": b""}), r"bee/caf\\xe9\.png is not a readable")
    for put in (as_folder, as_archive):
        source = put(tmp_path / put.__name__, tree((name, "bee"), 1, 1))
        refused(source, r"class 'caf\\xe9' has a name that is not UTF-8; rename it")


@pytest.mark.parametrize(("named", "says"), [("~nobody-at-all/x", "leads nowhere"), ("caf\udce9", "is not UTF-8")])
def test_a_place_that_cannot_be_is_refused_by_name(named: str, says: str) -> None:
    with pytest.raises(DataError, match=f"^'{named[:3]}.*{says}.*; "):
        folders.expanded(named)


# --- what is refused -----------------------------------------------------------------------------------------------


def broken_link(place: Path) -> None:
    place.symlink_to("gone.png")


def circle(place: Path) -> None:
    place.symlink_to(place.name)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (broken_link, "is a link that leads nowhere; remove it or put its file there"),
        (circle, r"cannot be read \(Too many levels of symbolic links\); allow that, or remove it"),
        (os.mkfifo, "is not a plain file; remove it"),
    ],
)
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    make(put_folder(tmp_path / "a", TREE) / "train" / "bee" / "3.png")
    refused(tmp_path / "a", rf"a: train/bee/3\.png {says}")


@BOTH
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("train/bee/1.png", b"I am a text", r"train/bee/1\.png is not a readable image; get it again"),
        ("train/bee/1.png", TREE["train/bee/1.png"][:-40], r"train/bee/1\.png is not a readable image.*; get it again"),
        ("train/bee/1.png", encoded((0, 0, 0), side=5), r"train/bee/1\.png is 5x5 pixels, not 4x4; get the right copy"),
        ("train/wasp/1.png", b"", "class 'wasp' has no images in test/; get a complete copy"),
        ("test/wasp/1.png", b"", "class 'wasp' has no images in train/; get a complete copy"),
    ],
    ids=["text", "cut", "another size", "to train alone", "to test alone"],
)
def test_a_tree_with_a_fault_is_refused_by_name(tmp_path: Path, put: Put, name: str, content: bytes, says: str) -> None:
    refused(put(tmp_path, TREE | {name: content}), says)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_images_is_refused(tmp_path: Path, split: str) -> None:
    files = {name: content for name, content in TREE.items() if not name.startswith(split)}
    refused(put_folder(tmp_path / "a", files), f"no images in {split}/<class>/; give a tree with train/ and test/")


@pytest.mark.parametrize("arguments", [(), (4, True)])
def test_an_image_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(pictures, "LARGEST_PIXELS", 90)
    source = put_folder(tmp_path / "a", TREE | {"train/ant/0.png": encoded((0,), (7, 13), mode="1")})
    monkeypatch.setattr(Image.Image, "convert", None)
    refused(source, r"train/ant/0\.png is 7x13 pixels, over 0 million; scale it down, or remove it where", *arguments)


def test_two_trees_in_one_archive_are_refused(tmp_path: Path) -> None:
    files = {f"{top}/{name}": content for top in ("one", "two") for name, content in TREE.items()}
    refused(put_archive(tmp_path / "a.tar.xz", files), r"several data sets \(one, two\)")


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
def test_an_archive_that_is_cut_or_changed_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    source = put_archive(tmp_path / f"a{suffix}", TREE)
    whole = source.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :]
    for content in (b"", whole[:middle], whole[: int(0.99 * len(whole))], whole[:-12], flipped):
        source.write_bytes(content)
        refused(source, rf"a{suffix}:? (is truncated or corrupt|has no images|train/)")


def test_a_source_that_is_not_there_or_no_archive_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "gone.tar.xz", r"gone\.tar\.xz cannot be read")
    (tmp_path / "a.zip").write_bytes(b"PK")
    refused(tmp_path / "a.zip", r"a\.zip is not a \.tar\.xz or \.tar\.gz file")


# --- the decoded copy ----------------------------------------------------------------------------------------------


@BOTH
def test_a_second_read_takes_the_decoded_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Put) -> None:
    source = put(tmp_path, TREE)
    first = read_image_folder(source)
    monkeypatch.setattr(folders, "_decode_tree", None)
    second = read_image_folder(source)
    assert_is_the_tree(second)
    assert (second.sha256, second.encoding) == (first.sha256, first.encoding)


def test_a_changed_or_another_image_is_decoded_anew(tmp_path: Path) -> None:
    """Of the same length under the same name too: its time of change tells."""
    source = put_folder(tmp_path / "a", TREE)
    assert_is_the_tree(read_image_folder(source))
    image, new = source / "train/ant/0.png", encoded((2, 0, 255))
    later = image.stat().st_mtime_ns + 1
    assert len(image.read_bytes()) == len(new)
    image.write_bytes(new)
    os.utime(image, ns=(0, later))
    assert read_image_folder(source).train_images[0, 0, 0, 0] == 2
    put_folder(source, {"test/bee/1.png": new})
    assert len(read_image_folder(source).test_labels) == 3


def test_copies_of_other_sizes_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is refused with and without a copy, though a fitted one is there."""
    source = put_folder(tmp_path / "a", TREE)
    refused(source, r"train/ant/0\.png is 4x4 pixels, not 8x8", 8)
    sizes: dict[tuple[Any, ...], int] = {(): 4, (2, True): 2, (6, True): 6}
    for write in (copies._write, None):
        monkeypatch.setattr(copies, "_write", write)
        for arguments, side in sizes.items():
            assert read_image_folder(source, *arguments).train_images.shape == (4, 3, side, side)
    refused(source, "4x4 pixels, not 6x6", 6)


# --- images fitted to a size ---------------------------------------------------------------------------------------


def drawn(pixels: np.ndarray) -> bytes:
    """An image of (height, width, 3) numbers as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3))


def slope(height: int, width: int) -> np.ndarray:
    """Red rises from top to bottom, green from left to right, each by 2 a pixel about 128 in the middle."""
    rows, columns = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    red, green = np.broadcast_arrays(128 + 2 * rows[:, None], 128 + 2 * columns[None])
    return np.stack([red, green, np.full(red.shape, 9)], 2)


def fitted(folder: Path, image: bytes, size: int) -> np.ndarray:
    """An image after it was read to a size, (3, size, size)."""
    read = read_image_folder(put_folder(folder, TREE | {"train/ant/0.png": image}), size, fit=True)
    return read.train_images[0].astype(int)


def test_fitted_images_of_that_size_stay_as_they_are(tmp_path: Path) -> None:
    source = put_folder(tmp_path / "a", TREE)
    assert_is_the_tree(read_image_folder(source, 4, fit=True))
    pixels = noise(16, 16)
    assert (fitted(tmp_path / "b", drawn(pixels), 16) == pixels.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(("height", "width"), [(16, 28), (28, 16)])
def test_a_longer_image_whose_shorter_side_fits_is_cut_to_its_centre(tmp_path: Path, height: int, width: int) -> None:
    pixels = noise(height, width)
    top, left = (height - 16) // 2, (width - 16) // 2
    assert (
        fitted(tmp_path / "a", drawn(pixels), 16) == pixels[top : top + 16, left : left + 16].transpose(2, 0, 1)
    ).all()


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (32, 48), (48, 32), (40, 41), (41, 40), (100, 40), (17, 30), (8, 8), (8, 15)]
)
def test_the_shorter_side_is_scaled_to_the_size_and_the_centre_kept(tmp_path: Path, height: int, width: int) -> None:
    """A slope keeps its middle and gets steeper by what the shorter side shrinks; its edges bend a little."""
    scale = min(height, width) / 16
    expected = 128 + 2 * scale * (np.arange(16) - 7.5)
    image = fitted(tmp_path / "a", drawn(slope(height, width)), 16)
    near = slice(2, -2)
    assert np.abs(image[0][near, near] - expected[near, None]).max() <= 1
    assert np.abs(image[1][near, near] - expected[None, near]).max() <= 1
    assert (image[2] == 9).all()


@pytest.mark.parametrize(("height", "width"), [(32, 48), (37, 32), (64, 50), (12, 20)])
def test_fitting_is_about_pillows_bicubic_scaling_and_a_cut(tmp_path: Path, height: int, width: int) -> None:
    """As torchvision's Resize and CenterCrop do it in two steps, but for half a pixel of rounding: a smooth image."""
    waves = np.sin(np.arange(height) / 9)[:, None, None] + np.cos(np.arange(width) / 7)[None, :, None]
    pixels = 128 + 50 * waves * np.array([1, -1, 0.5])
    scale = 16 / min(height, width)
    middle = Image.open(io.BytesIO(drawn(pixels))).resize(
        (round(width * scale), round(height * scale)), Image.Resampling.BICUBIC
    )
    left, top = (middle.width - 16) // 2, (middle.height - 16) // 2
    expected = np.asarray(middle).astype(int)[top : top + 16, left : left + 16].transpose(2, 0, 1)
    assert np.abs(fitted(tmp_path / "a", drawn(pixels), 16) - expected).max() <= 4


def test_a_class_that_is_a_broken_link_is_refused_by_name(tmp_path: Path) -> None:
    for link, name in ((".#notes", "hidden"), ("cat", "bees")):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / link).symlink_to(tmp_path / name)
    with pytest.raises(DataError, match="train/cat is a link that leads nowhere; remove it or put its file there"):
        folders.listed(tmp_path, ["train"])
    (tmp_path / "bees").mkdir()
    assert folders.listed(tmp_path, ["train"]) == {}
