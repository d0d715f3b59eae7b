"""Image folders: what is read, what is refused, and that the decoded copy can be trusted."""

import errno
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab import paths
from lab.data import folders
from lab.data.folders import Arrays, DataError, read_image_folder

CLASSES = ("ant", "bee")


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data/ of our own, inside an empty project."""
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project")
    monkeypatch.setattr(paths, "DATA", tmp_path / "project" / "data")
    return tmp_path / "project" / "data"


def encoded(colour: tuple[int, ...], side: int = 4, kind: str = "PNG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side), colour).save(buffer, kind)
    return buffer.getvalue()


def tree(test: str = "test", suffix: str = ".png", top: str = "") -> dict[str, bytes]:
    """Two train images and one test image a class; the red value tells class and file."""
    return {
        f"{top}{split}/{label}/{i}{suffix}": encoded((100 * k + 10 * i + (split == "train"), 0, 255))
        for split, count in (("train", 2), (test, 1))
        for k, label in enumerate(CLASSES)
        for i in range(count)
    }


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_archive(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return path


def assert_is_the_tree(arrays: Arrays) -> None:
    assert arrays.classes == CLASSES
    assert arrays.train_images.shape == (4, 3, 4, 4) and arrays.train_images.dtype == np.uint8
    assert arrays.train_images[:, 0, 0, 0].tolist() == [1, 11, 101, 111]
    assert arrays.train_images[0, :, 3, 3].tolist() == [1, 0, 255]
    assert arrays.train_labels.tolist() == [0, 0, 1, 1] and arrays.train_labels.dtype == np.int64
    assert arrays.test_images[:, 0, 0, 0].tolist() == [0, 100]
    assert arrays.test_labels.tolist() == [0, 1]


def test_an_image_may_be_larger_than_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do the headers of several files count together."""
    monkeypatch.setattr(folders, "LARGEST_HEADER", 2048)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    files = dict.fromkeys(tree(), file.getvalue()) | {f"notes/{i}.txt": b"no image" for i in range(9)}
    arrays = read_image_folder(write_archive(tmp_path / "images.tar.gz", files))
    assert (arrays.train_images == noise.transpose(2, 0, 1)).all() and len(file.getvalue()) > 2 * 2048


@pytest.mark.parametrize("test", ["test", "val"])
def test_folder_is_read_class_by_class(tmp_path: Path, test: str) -> None:
    arrays = read_image_folder(write_folder(tmp_path / "images", tree(test)))
    assert_is_the_tree(arrays)
    assert arrays.encoding == "png"


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
@pytest.mark.parametrize("top", ["", "./", "images-4/"])
def test_archive_gives_what_its_folder_gives(tmp_path: Path, suffix: str, top: str) -> None:
    backwards = dict(reversed(tree(top=top).items()))
    assert_is_the_tree(read_image_folder(write_archive(tmp_path / f"images{suffix}", backwards)))
    assert not (tmp_path / "train").exists() and not Path("train").exists()


def test_dot_files_and_other_files_are_passed_over(tmp_path: Path) -> None:
    extra = {"train/ant/._0.png": b"mac", "train/.hidden/0.png": b"no image", "train/ant/notes.txt": b"", "a.csv": b""}
    assert_is_the_tree(read_image_folder(write_archive(tmp_path / "a.tar.xz", tree() | extra)))
    assert_is_the_tree(read_image_folder(write_folder(tmp_path / "folder", tree() | extra)))


def test_test_wins_over_val(tmp_path: Path) -> None:
    assert_is_the_tree(read_image_folder(write_folder(tmp_path / "a", tree("test") | {"val/ant/0.png": b"unread"})))


def test_grey_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    files = tree() | {
        "train/ant/0.png": encoded((7,), mode="L"),
        "train/ant/1.png": encoded((1, 2, 3, 128), mode="RGBA"),
    }
    images = read_image_folder(write_folder(tmp_path / "a", files)).train_images
    assert images[:2, :, 0, 0].tolist() == [[7, 7, 7], [1, 2, 3]]


@pytest.mark.parametrize(
    ("suffixes", "encoding"),
    [((".jpg", ".JPEG"), "jpeg"), ((".png", ".png"), "png"), ((".jpg", ".png"), "mixed")],
)
def test_encoding_tells_the_files_apart(tmp_path: Path, suffixes: tuple[str, str], encoding: str) -> None:
    files = {}
    for split, suffix in zip(("train", "test"), suffixes, strict=True):
        files[f"{split}/ant/0{suffix}"] = encoded((9, 9, 9), kind="PNG" if suffix == ".png" else "JPEG")
    assert read_image_folder(write_folder(tmp_path / "a", files)).encoding == encoding


def test_text_file_named_jpg_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train/bee/1\.jpg is not a readable JPEG image"):
        read_image_folder(write_folder(tmp_path / "a", tree() | {"train/bee/1.jpg": b"I am a text"}))


def test_cut_image_is_refused_by_name(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    files = tree() | {"train/bee/1.png": buffer.getvalue()[:-40]}
    with pytest.raises(DataError, match=r"train/bee/1\.png is not a readable PNG"):
        read_image_folder(write_archive(tmp_path / "a.tar.gz", files))


def test_png_under_a_jpeg_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0\.jpg is not a readable JPEG"):
        read_image_folder(write_folder(tmp_path / "a", tree(suffix=".jpg")))


def test_image_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "a", tree() | {"train/bee/1.png": encoded((0, 0, 0), side=5)})
    with pytest.raises(DataError, match=r"train/bee/1\.png is 5x5 pixels, not 4x4"):
        read_image_folder(source)


def test_wanted_size_is_checked_with_and_without_the_decoded_copy(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "a", tree())
    with pytest.raises(DataError, match=r"train/ant/0\.png is 4x4 pixels, not 8x8"):
        read_image_folder(source, size=8)
    read_image_folder(source, size=4)
    with pytest.raises(DataError, match="4x4 pixels, not 8x8"):
        read_image_folder(source, size=8)


def test_image_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_folder(tmp_path / "a", tree() | {"train/ant/0.png": encoded((0,), side=4097, mode="1")})

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "convert", decoded)
    with pytest.raises(DataError, match=r"train/ant/0\.png is 4097x4097 pixels, not at most 4096x4096"):
        read_image_folder(source)


@pytest.mark.parametrize(("lacking", "split"), [("train/bee", "train"), ("test/bee", "test")])
def test_class_that_is_in_one_split_only_is_refused(tmp_path: Path, lacking: str, split: str) -> None:
    files = {name: content for name, content in tree().items() if not name.startswith(lacking)}
    with pytest.raises(DataError, match=f"class 'bee' has no images in {split}/"):
        read_image_folder(write_archive(tmp_path / "a.tar.xz", files))


@pytest.mark.parametrize("split", ["train", "test"])
def test_split_without_images_is_refused(tmp_path: Path, split: str) -> None:
    files = {name: content for name, content in tree().items() if not name.startswith(split)}
    with pytest.raises(DataError, match=f"no images in {split}/"):
        read_image_folder(write_folder(tmp_path / "a", files))


def test_two_trees_in_one_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several data sets \(one, two\)"):
        read_image_folder(write_archive(tmp_path / "a.tar.xz", tree(top="one/") | tree(top="two/")))


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
@pytest.mark.parametrize("left", [0, 0.5, 0.99])
def test_truncated_archive_is_refused_by_name(tmp_path: Path, suffix: str, left: float) -> None:
    source = write_archive(tmp_path / f"cut{suffix}", tree())
    whole = source.read_bytes()
    source.write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(DataError, match=rf"cut{suffix} (is truncated or corrupt|has no images)"):
        read_image_folder(source)


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
def test_archive_with_a_changed_byte_is_refused(tmp_path: Path, suffix: str) -> None:
    source = write_archive(tmp_path / f"a{suffix}", tree())
    changed = bytearray(source.read_bytes())
    changed[len(changed) // 2] ^= 0x10
    source.write_bytes(changed)
    with pytest.raises(DataError, match=r"a\.tar"):
        read_image_folder(source)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_link_or_device_in_an_archive_is_refused(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("train/ant/2.png")
    link.type, link.linkname = kind, "/etc/passwd"
    with pytest.raises(DataError, match=r"'train/ant/2\.png' is a link or a device"):
        read_image_folder(write_archive(tmp_path / "a.tar.xz", tree(), link))


@pytest.mark.parametrize("name", ["../train/ant/2.png", "train/../../2.png", "/train/ant/2.png"])
def test_member_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="climbs out of the archive"):
        read_image_folder(write_archive(tmp_path / "a.tar.xz", tree() | {name: encoded((0, 0, 0))}))


def test_huge_member_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "LARGEST_FILE", 1000)
    with pytest.raises(DataError, match="larger than 1000 bytes"):
        read_image_folder(write_archive(tmp_path / "a.tar.xz", tree() | {"train/ant/2.png": bytes(1001)}))


def test_source_that_is_not_there_or_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.tar\.xz cannot be read"):
        read_image_folder(tmp_path / "gone.tar.xz")
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"a\.zip is not a \.tar\.xz or \.tar\.gz file"):
        read_image_folder(tmp_path / "a.zip")


# --- the decoded copy ----------------------------------------------------------------------------------------------


def cached(data_folder: Path) -> Path:
    (copy,) = (data_folder / "cache").iterdir()
    return copy


def never_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(folders, "_decode_tree", decoded)


@pytest.mark.parametrize("write", [write_folder, write_archive])
def test_second_read_takes_the_decoded_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    source = write(tmp_path / "a.tar.gz", tree())
    first = read_image_folder(source)
    never_decode(monkeypatch)
    second = read_image_folder(source)
    assert_is_the_tree(second)
    assert (second.sha256(), second.encoding) == (first.sha256(), first.encoding)


def test_changed_image_is_decoded_anew(tmp_path: Path) -> None:
    """Another image of the same length under the same name: its time of change tells."""
    source = write_folder(tmp_path / "a", tree())
    assert_is_the_tree(read_image_folder(source))
    image = source / "train/ant/0.png"
    old, new = image.read_bytes(), encoded((2, 0, 255))
    assert len(old) == len(new)
    image.write_bytes(new)
    os.utime(image, ns=(0, image.stat().st_mtime_ns + 1))
    assert read_image_folder(source).train_images[0, 0, 0, 0] == 2


def test_classes_are_in_order_of_their_names_not_of_their_paths(tmp_path: Path) -> None:
    files = {f"{split}/{label}/0.png": encoded((0, 0, 0)) for split in ("train", "test") for label in ("a-b", "a")}
    arrays = read_image_folder(write_folder(tmp_path / "a", files))
    assert (arrays.classes, arrays.train_labels.tolist()) == (("a", "a-b"), [0, 1])


def test_source_with_another_image_is_decoded_anew(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "a", tree())
    before = read_image_folder(source)
    write_folder(source, {"test/bee/1.png": encoded((200, 0, 0))})
    after = read_image_folder(source)
    assert (len(before.test_labels), len(after.test_labels)) == (2, 3)


def swap_a_pixel(copy: Path) -> None:
    """A valid npz with the old checksum and one other pixel: what a zip's own checksum cannot see."""
    with np.load(copy) as saved:
        arrays = dict(saved)
    arrays["train_images"][0, 0, 0, 0] ^= 1
    np.savez(copy, **arrays)


def drop_an_array(copy: Path) -> None:
    with np.load(copy) as saved:
        arrays = dict(saved)
    del arrays["test_labels"]
    np.savez(copy, **arrays)


def flip_a_byte(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)


def cut(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-100])


def hide_a_pickle(copy: Path) -> None:
    np.savez(copy, classes=np.array([{}], dtype=object))


@pytest.mark.parametrize("damage", [swap_a_pixel, drop_an_array, flip_a_byte, cut, hide_a_pickle])
def test_damaged_copy_is_repaired_aloud(
    tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    source = write_archive(tmp_path / "a.tar.xz", tree())
    read_image_folder(source)
    assert "damaged" not in capsys.readouterr().out
    damage(cached(data_folder))
    assert_is_the_tree(read_image_folder(source))
    assert "is damaged; decoding again" in capsys.readouterr().out
    assert_is_the_tree(read_image_folder(source))
    assert "damaged" not in capsys.readouterr().out


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_copy_is_whole_or_not_there(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def savez(file: io.BufferedWriter, **_: object) -> None:
        file.write(b"half a copy")
        raise error

    monkeypatch.setattr(np, "savez", savez)
    source = write_folder(tmp_path / "a", tree())
    if isinstance(error, OSError):
        assert_is_the_tree(read_image_folder(source))
    else:
        with pytest.raises(KeyboardInterrupt):
            read_image_folder(source)
    assert list((data_folder / "cache").iterdir()) == []


def test_folder_that_cannot_be_written_costs_only_the_copy(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    source = tmp_path / "a.tar.xz"
    assert_is_the_tree(read_image_folder(write_archive(source, tree())))
    assert "no decoded copy is kept, data/cache cannot be written (Read-only file system)" in capsys.readouterr().out
    assert not data_folder.exists()


def test_file_in_place_of_the_data_folder_costs_only_the_copy(tmp_path: Path, data_folder: Path) -> None:
    data_folder.parent.mkdir()
    data_folder.write_text("a file")
    assert_is_the_tree(read_image_folder(write_archive(tmp_path / "a.tar.xz", tree())))
    assert data_folder.read_text() == "a file"


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
    read = read_image_folder(write_folder(folder, tree() | {"train/ant/0.png": image}), size, fit=True)
    return read.train_images[0].astype(int)


def test_fitted_images_of_that_size_stay_as_they_are(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "a", tree())
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


def test_fitted_images_may_be_of_any_sizes_and_colours(tmp_path: Path) -> None:
    files = tree() | {
        "train/ant/0.png": encoded((7,), side=9, mode="L"),
        "train/ant/1.png": encoded((1, 2, 3, 128), side=3, mode="RGBA"),
        "test/bee/0.png": encoded((50, 60, 70), side=200),
    }
    arrays = read_image_folder(write_archive(tmp_path / "a.tar.xz", files), 4, fit=True)
    assert arrays.train_images.shape == (4, 3, 4, 4) and arrays.test_images.shape == (2, 3, 4, 4)
    assert (arrays.train_images[:2].reshape(2, 3, 16) == np.array([[7, 7, 7], [1, 2, 3]])[:, :, None]).all()
    assert (arrays.test_images[1].reshape(3, 16) == np.array([50, 60, 70])[:, None]).all()


def test_a_fitted_copy_is_kept_apart_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each size one; what does not fit is refused as before, though a fitted copy is there."""
    source = write_folder(tmp_path / "a", tree() | {"train/ant/0.png": encoded((9, 9, 9), side=8)})
    firsts = {size: read_image_folder(source, size, fit=True) for size in (4, 6)}
    with pytest.raises(DataError, match=r"train/ant/0\.png is 8x8 pixels, not 4x4"):
        read_image_folder(source, 4)
    never_decode(monkeypatch)
    for size, first in firsts.items():
        again = read_image_folder(source, size, fit=True)
        assert again.train_images.shape == (4, 3, size, size)
        assert again.sha256() == first.sha256()


def test_a_copy_that_was_not_fitted_is_not_taken_for_one(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "a", tree())
    assert read_image_folder(source).train_images.shape == (4, 3, 4, 4)
    assert read_image_folder(source, 2, fit=True).train_images.shape == (4, 3, 2, 2)
    assert read_image_folder(source).train_images.shape == (4, 3, 4, 4)


def test_an_image_bomb_is_refused_though_it_could_be_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_folder(tmp_path / "a", tree() | {"train/ant/0.png": encoded((0,), side=4097, mode="1")})

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "convert", decoded)
    with pytest.raises(DataError, match=r"train/ant/0\.png is 4097x4097 pixels, not at most 4096x4096"):
        read_image_folder(source, 4, fit=True)


def test_a_broken_image_is_refused_though_others_are_fitted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train/bee/1\.png is not a readable PNG"):
        read_image_folder(write_folder(tmp_path / "a", tree() | {"train/bee/1.png": b"no image"}), 4, fit=True)


def test_sha256_covers_labels_and_order() -> None:
    images = np.arange(2 * 3 * 2 * 2, dtype=np.uint8).reshape(2, 3, 2, 2)
    labels = np.array([0, 1])
    arrays = [
        Arrays(CLASSES, "png", images, labels, images, labels),
        Arrays(CLASSES, "png", images, labels[::-1], images, labels),
        Arrays(CLASSES, "png", images[::-1], labels, images, labels),
        Arrays(CLASSES, "png", images, labels, images, labels[::-1]),
    ]
    assert len({a.sha256() for a in arrays}) == 4
