"""Image folders (train/<class>/*, test/<class>/*) as arrays: from a folder or a tar archive, decoded once.

Nothing is extracted to disk and nothing unchecked is trusted: a broken image, a link in an archive or an image of
another size is refused by name, and the decoded copy in data/cache/ is verified whenever it is read.
"""

import gzip
import hashlib
import io
import lzma
import struct
import tarfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from lab import paths
from lab.files import alone, put_in_place, reason
from lab.paths import shown

SPLITS = ("train", "test", "val")
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
ARCHIVES: dict[str, Callable[[Path], Any]] = {".tar.xz": lzma.open, ".tar.gz": gzip.open}
LARGEST_SIDE = 4096  # pixels; more is taken for an image bomb
LARGEST_FILE = 2**26  # bytes of one encoded image in an archive
LARGEST_ARCHIVE = 2**32  # bytes of all of them
LARGEST_HEADER = 2**16  # bytes of all that an archive says about one file: its name, its times
DOWNLOADED = ("cifar-10-python.tar.gz", "imagenette2-160")  # what `make data` puts into data/
Files = tuple[list[str], Callable[[str], bytes]]  # the image files of a tree: relative paths, and how to read one
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


class DataError(Exception):
    """A data set that is missing, broken or not what it says: one sentence with the file and the mend."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """A decoded image set: images (N, 3, H, W) uint8, labels (N,) int64 that index `classes`."""

    classes: tuple[str, ...]
    encoding: str  # of the files it was read from: "jpeg", "png", "mixed" or "original"
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)

    def sha256(self) -> str:
        """SHA-256 of the bytes of train images, train labels, test images, test labels, in this order."""
        digest = hashlib.sha256()
        for array in (getattr(self, name) for name in _ARRAYS):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def read_image_folder(source: Path, size: int | None = None, fit: bool = False) -> Arrays:
    """Decode a tree of train/<class>/* and test/<class>/* (or val/ for test/) to RGB, or take the verified cache.

    source: the folder that holds train/, or a .tar.xz or .tar.gz of such a tree. size: side of the square images in
    pixels; None takes the first image's width and height for all. fit: scale each image's shorter side to that size and
    cut it to its centre, instead of refusing it. Classes in alphabetical order, files sorted.
    Raises DataError for a source, an archive member or an image that is broken or of another size.
    """
    fitted = f"-{size}" if fit else ""
    cache = paths.cached(f"{_key(source)}{fitted}.npz")
    arrays = _from_cache(cache)
    if arrays is None:
        files = _folder_files(source) if source.is_dir() else _archive_files(source)
        arrays = _decode_tree(source, files, size, fit)
        _to_cache(cache, arrays)
    height, width = arrays.train_images.shape[2:]
    if size is not None and (height, width) != (size, size):
        raise DataError(f"{source} holds images of {width}x{height} pixels, not {size}x{size}; give the right copy")
    return arrays


def again(source: Path) -> str:
    """The way to get a damaged data set again: `make data` leaves alone what is there."""
    ours = source.parent == paths.DATA and source.name in DOWNLOADED
    return f"delete {paths.DATA.name}/{source.name} and call `make data`" if ours else "get it again"


def is_archive(path: Path) -> bool:
    """True for a file that read_image_folder can open, by its name."""
    return path.name.endswith(tuple(ARCHIVES)) and path.is_file()


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a plain file in a tar archive, read in memory."""
    file = archive.extractfile(member)
    return file.read() if file else b""


def _key(source: Path) -> str:
    if source.is_dir():
        stats = [(name, (source / name).stat()) for name in _folder_files(source)[0]]
        listing = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
        return hashlib.sha256(listing.encode()).hexdigest()
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{source} cannot be read ({reason(error)}); give a folder or an archive") from error


# --- where the files are -------------------------------------------------------------------------------------------


def _is_image(name: PurePosixPath) -> bool:
    return name.suffix.lower() in FORMATS and not any(part.startswith(".") for part in name.parts)


def _folder_files(source: Path) -> Files:
    found = (path for split in SPLITS for path in source.glob(f"{split}/*/*"))
    names = (path.relative_to(source).as_posix() for path in found)
    return sorted(n for n in names if _is_image(PurePosixPath(n))), lambda name: (source / name).read_bytes()


def _archive_files(source: Path) -> Files:
    opener = next((opener for suffix, opener in ARCHIVES.items() if source.name.endswith(suffix)), None)
    if opener is None:
        raise DataError(f"{source} is not a {' or '.join(ARCHIVES)} file; give one, or a folder with train/ and test/")
    try:
        with opener(source) as stream:
            bounded = _Bounded(source, stream)
            with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]
                contents = {m.name: content(archive, m) for m in _images_in(source, archive, bounded)}
            while stream.read(2**20):  # to the very end, so that the archive's own checksum is compared
                pass
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise DataError(f"{source} is truncated or corrupt ({reason(error)}); get it again") from error
    return list(contents), contents.__getitem__


class _Bounded:
    """An archive's bytes, of which no more than `left` are read: tarfile would take headers of any size into memory."""

    def __init__(self, source: Path, stream: Any) -> None:
        self.source, self.stream, self.left = source, stream, LARGEST_HEADER
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if size > self.left:
            raise DataError(f"{self.source} has a header of more than {LARGEST_HEADER} bytes; do not trust this file")
        self.left -= size
        found: bytes = self.stream.read(size)
        return found


def _images_in(source: Path, archive: tarfile.TarFile, bounded: _Bounded) -> Iterator[tarfile.TarInfo]:
    total = 0
    for member in archive:
        archive.members.clear()  # type: ignore[attr-defined]  # else tarfile would keep all headers
        if _wanted(source, member):
            total += member.size
            if total > LARGEST_ARCHIVE:
                raise DataError(f"{source} holds more than {LARGEST_ARCHIVE} bytes of images; do not trust this file")
            bounded.left = member.size
            yield member
        bounded.left = LARGEST_HEADER


def _wanted(source: Path, member: tarfile.TarInfo) -> bool:
    """True for a member that is an image; refuses what an honest archive of images never holds."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"{source}: member {member.name!r} climbs out of the archive; do not trust this file")
    if not (member.isfile() or member.isdir()):
        raise DataError(f"{source}: member {member.name!r} is a link or a device; pack plain files only")
    if member.isfile() and member.size > LARGEST_FILE:
        raise DataError(f"{source}: member {member.name!r} is larger than {LARGEST_FILE} bytes; remove it")
    return member.isfile() and _is_image(name)


def _by_split(source: Path, names: list[str]) -> tuple[tuple[str, ...], dict[str, list[tuple[str, str]]]]:
    """The classes, and for "train" and "test" the (class, name) pairs, sorted."""
    found: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    tops = set()
    for name in names:
        *top, split, label, _ = ("", "", *PurePosixPath(name).parts)
        if split in SPLITS:
            found[split].append((label, name))
            tops.add("/".join(top).strip("/"))
    if len(tops) > 1:
        raise DataError(f"{source} holds several data sets ({', '.join(sorted(tops))}); give one of them alone")
    splits = {"train": sorted(found["train"]), "test": sorted(found["test"] or found["val"])}
    classes = {split: {label for label, _ in pairs} for split, pairs in splits.items()}
    for split, other in (("train", "test"), ("test", "train")):
        if not classes[split]:
            raise DataError(f"{source} has no images in {split}/<class>/; give a tree with train/ and test/ (or val/)")
        if missing := sorted(classes[other] - classes[split]):
            raise DataError(f"{source}: class {missing[0]!r} has no images in {split}/; get a complete copy")
    return tuple(sorted(classes["train"])), splits


# --- decoding ------------------------------------------------------------------------------------------------------


def _decode_tree(source: Path, files: Files, size: int | None, fit: bool) -> Arrays:
    names, read = files
    classes, splits = _by_split(source, names)
    pairs = splits["train"] + splits["test"]
    side = (size, size) if size is not None else None
    images = np.empty((0, 3, 0, 0), np.uint8)
    print(f"data: decoding the {len(pairs):,} images of {shown(source)}, once", flush=True)
    with tqdm(pairs, "decoding", unit=" images", mininterval=0.5, leave=False, disable=None) as progress:
        for i, (_, name) in enumerate(progress):
            pixels = _decode(source, name, read, side, fit)
            if i == 0:
                side = (pixels.shape[2], pixels.shape[1])
                images = np.empty((len(pairs), *pixels.shape), np.uint8)
            images[i] = pixels
    labels = np.array([classes.index(label) for label, _ in pairs], np.int64)
    kinds = {_format(name).lower() for _, name in pairs}
    n = len(splits["train"])
    return Arrays(classes, kinds.pop() if len(kinds) == 1 else "mixed", images[:n], labels[:n], images[n:], labels[n:])


def _decode(
    source: Path, name: str, read: Callable[[str], bytes], side: tuple[int, int] | None, fit: bool
) -> np.ndarray:
    """One image as (3, H, W) uint8 RGB; its size is read from the header and checked before anything is decoded."""
    kind = _format(name)
    try:
        encoded = read(name)
    except OSError as error:
        raise DataError(f"{source}: {name} cannot be read ({reason(error)}); mend that or get it again") from error
    try:
        with _open(encoded, kind) as image:
            width, height = image.size
            other = side is not None and not fit and (width, height) != side
            if max(width, height) > LARGEST_SIDE or other:
                wanted = f"{side[0]}x{side[1]}" if side and not fit else f"at most {LARGEST_SIDE}x{LARGEST_SIDE}"
                raise DataError(f"{source}: {name} is {width}x{height} pixels, not {wanted}; get the right copy")
            if image.mode.startswith(("I", "F")):  # Pillow would make all above 255 white
                raise DataError(f"{source}: {name} has more than 8 bits a colour; save it with 8")
            colours = image.convert("RGB")
            if fit and side is not None:  # the shorter side scaled to size, then the centre
                colours = ImageOps.fit(colours, side, Image.Resampling.BICUBIC)
            return np.asarray(colours).transpose(2, 0, 1)
    except Image.DecompressionBombError as error:
        why = str(error).rstrip(".")
        raise DataError(f"{source}: {name} may be an image bomb ({why}); do not trust this file") from error
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise DataError(f"{source}: {name} is not a readable {kind} image; {again(source)}") from error


def _open(encoded: bytes, kind: str) -> Image.Image:
    """The image's header; of a large one Pillow would warn, but its size is what is looked at next."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(encoded), formats=(kind,))


def _format(name: str) -> str:
    return FORMATS[PurePosixPath(name).suffix.lower()]


# --- the decoded copy ----------------------------------------------------------------------------------------------


def _from_cache(cache: Path) -> Arrays | None:
    """The content of the cache, or None where there is none or it does not verify."""
    try:
        with cache.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            arrays = Arrays(tuple(map(str, saved["classes"])), str(saved["encoding"]), *(saved[n] for n in _ARRAYS))
            if str(saved["sha256"]) == arrays.sha256():
                return arrays
    except FileNotFoundError:
        return None
    except Exception:  # a damaged zip or array header can raise anything
        pass
    print(f"data: the decoded copy {shown(cache)} is damaged; decoding again")
    return None


def _to_cache(cache: Path, arrays: Arrays) -> None:
    """Write the decoded copy, whole or not at all; a folder that cannot be written to costs time, nothing else."""
    part = cache.with_name(f".{cache.stem}.part")
    try:
        with alone(cache.with_suffix(".lock"), f"writing {shown(cache)}"):
            try:
                with part.open("wb") as file:
                    saved = {name: getattr(arrays, name) for name in ("classes", "encoding", *_ARRAYS)}
                    np.savez(file, allow_pickle=False, sha256=arrays.sha256(), **saved)
                put_in_place(part, cache)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        print(f"data: no decoded copy is kept, {shown(cache.parent)} cannot be written ({reason(error)})")
