"""Image folders (train/<class>/**, test/<class>/**) as arrays: from a folder or a tar archive, decoded once.

Nothing is extracted to disk. A broken image, a link in an archive or an image of another size is refused by name. Files
that are not images are left out, and one line counts them by kind.
"""

import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from lab import paths
from lab.data.arrays import Arrays, DataError, kept
from lab.data.pictures import rgb, suffixes
from lab.files import reason
from lab.paths import shown

SPLITS = ("train", "test", "val")
ARCHIVES: dict[str, Callable[[Path], Any]] = {".tar.xz": lzma.open, ".tar.gz": gzip.open}
LARGEST_SIDE = 4096  # pixels of the images that a net gets
LARGEST_FILE = 2**26  # bytes of one encoded image in an archive
LARGEST_ARCHIVE = 2**32  # bytes of all of them
LARGEST_HEADER = 2**16  # bytes of all that an archive says about one file: its name, its times
DOWNLOADED = ("cifar-10-python.tar.gz", "imagenette2-160")  # what `make data` puts into data/
Files = tuple[Iterable[str], Callable[[str], BinaryIO]]  # the images of a tree: relative paths; how to open one


def read_image_folder(source: Path, size: int | None = None, fit: bool = False) -> Arrays:
    """Decode a tree of train/<class>/** and test/<class>/** (or val/ for test/) to RGB, or take its decoded copy.

    source: the folder that holds train/, or a .tar.xz or .tar.gz of such a tree. size: side of the square images in
    pixels; None takes the first image's width and height for all. fit: scale each image's shorter side to that size and
    cut it to its centre, instead of refusing it. Classes in alphabetical order, files sorted.
    Raises DataError for a source, an archive member or an image that is broken or of another size.
    """
    if source.is_dir():
        listing = listed(source, SPLITS)
        key = hashlib.sha256(os.fsencode("\n".join(f"{n} {s.st_size} {s.st_mtime_ns}" for n, s in listing.items())))
        files: Callable[[], Files] = lambda: (listing, lambda name: (source / name).open("rb"))  # noqa: E731
    else:
        key, files = _checksum(source), lambda: _archive_files(source)
    wanted = f"-{size}" if fit else ""
    arrays = kept(f"{key.hexdigest()}{wanted}", lambda: _decode_tree(source, files(), size, fit))
    height, width = arrays.train_images.shape[2:]
    if size is not None and (height, width) != (size, size):
        raise DataError(f"{source} holds images of {width}x{height} pixels, not {size}x{size}; give the right copy")
    return arrays


def again(source: Path) -> str:
    """The remedy for a damaged data set. `make data` does not replace existing files."""
    ours = source.parent == paths.DATA and source.name in DOWNLOADED
    return f"delete {paths.DATA.name}/{source.name} and call `make data`" if ours else "get it again"


def expanded(named: str) -> Path:
    """A path with ~ expanded. Raises DataError for an unknown ~user, or a name that is not UTF-8."""
    try:
        named.encode()
        return Path(named).expanduser()
    except UnicodeEncodeError as error:
        raise DataError(f"'{printable(named)}' has a name that is not UTF-8; rename it") from error
    except RuntimeError as error:
        raise DataError(f"{named!r} leads nowhere ({reason(error)}); name a folder or a file that is there") from error


def printable(name: str) -> str:
    """A printable file name, with bytes that are not UTF-8 escaped.

    >>> printable(os.fsdecode(b"caf\\xe9.jpg"))
    'caf\\\\xe9.jpg'
    """
    return os.fsencode(name).decode(errors="backslashreplace")


def is_archive(path: Path) -> bool:
    """True for a file that read_image_folder can open, by its name."""
    return path.name.endswith(tuple(ARCHIVES)) and path.is_file()


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a plain file in a tar archive, read in memory."""
    file = archive.extractfile(member)
    return file.read() if file else b""


def _checksum(source: Path) -> "hashlib._Hash":
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise DataError(f"{source} cannot be read ({reason(error)}); give a folder or an archive") from error


# --- where the files are -------------------------------------------------------------------------------------------


def listed(source: Path, splits: Iterable[str]) -> dict[str, os.stat_result]:
    """The images of a folder's splits, sorted by name. A line counts the other files.

    Raises DataError for a folder that cannot be read, and an image that is a broken link or not a plain file.
    """
    left_out = Counter[str]()
    every = sorted(name for split in splits for name in _walk(source, split))
    names = [name for name in every if _is_image(name, left_out) or _leads_nowhere(source / name)]
    _tell(source, left_out)
    return {name: _stat(source, name) for name in names}


def _walk(source: Path, split: str) -> Iterator[str]:
    """All files below a split, as paths relative to the source. Follows links to folders, but not in a circle."""
    if not (source / split).is_dir():
        return

    def refuse(error: OSError) -> None:
        name = printable(str(error.filename))
        raise DataError(f"{name} cannot be read ({reason(error)}); allow that, or remove it") from error

    for folder, subfolders, names in os.walk(source / split, followlinks=True, onerror=refuse):
        real = Path(folder).resolve()
        above = {real, *real.parents}
        subfolders[:] = [name for name in subfolders if (Path(folder) / name).resolve() not in above]
        yield from ((Path(folder) / name).relative_to(source).as_posix() for name in names)


def _leads_nowhere(path: Path) -> bool:
    """True for a broken link that may have been a class's folder: `_stat` refuses it by name."""
    return not path.suffix and not path.name.startswith(".") and path.is_symlink() and not path.exists()


def _stat(source: Path, name: str) -> os.stat_result:
    what = f"{source}: {printable(name)}"
    try:
        status = (source / name).stat()
    except FileNotFoundError as error:
        raise DataError(f"{what} is a link that leads nowhere; remove it or put its file there") from error
    except OSError as error:
        raise DataError(f"{what} cannot be read ({reason(error)}); allow that, or remove it") from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{what} is not a plain file; remove it")
    return status


def _is_image(name: str, left_out: Counter[str]) -> bool:
    """True for an image in a class, by its name; counts the other files of a tree, but for hidden ones."""
    path = PurePosixPath(name)
    at = _split_at(path.parts)
    if at is None or any(part.startswith(".") for part in path.parts):
        return False
    if path.suffix.lower() not in suffixes():
        left_out[path.suffix.lower() or "without a suffix"] += 1
        return False
    if len(path.parts) == at + 2:
        left_out[f"in {path.parts[at]}/ but in no class"] += 1
        return False
    return True


def _split_at(parts: tuple[str, ...]) -> int | None:
    """The place of "train", "test" or "val" in a path."""
    return next((i for i, part in enumerate(parts[:-1]) if part in SPLITS), None)


def _tell(source: Path, left_out: Counter[str]) -> None:
    if left_out:
        kinds = ", ".join(f"{count} {printable(kind)}" for kind, count in left_out.most_common())
        print(f"data: files of {shown(source)} that are left out: {kinds}", flush=True)


def _archive_files(source: Path) -> Files:
    opener = next((opener for suffix, opener in ARCHIVES.items() if source.name.endswith(suffix)), None)
    if opener is None:
        raise DataError(f"{source} is not a {' or '.join(ARCHIVES)} file; give one, or a folder with train/ and test/")
    left_out = Counter[str]()
    try:
        with opener(source) as stream:
            bounded = _Bounded(source, stream)
            with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]
                contents = {m.name: content(archive, m) for m in _images_in(source, archive, bounded, left_out)}
            while stream.read(2**20):  # to the very end, so that the archive's own checksum is compared
                pass
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise DataError(f"{source} is truncated or corrupt ({reason(error)}); get it again") from error
    _tell(source, left_out)
    return contents, lambda name: io.BytesIO(contents[name])


class _Bounded:
    """A stream of an archive that reads at most `left` bytes, since tarfile would read headers of any size."""

    def __init__(self, source: Path, stream: Any) -> None:
        self.source, self.stream, self.left = source, stream, LARGEST_HEADER
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if size > self.left:
            raise DataError(f"{self.source} has a header of more than {LARGEST_HEADER} bytes; do not trust this file")
        self.left -= size
        content: bytes = self.stream.read(size)
        return content


def _images_in(
    source: Path, archive: tarfile.TarFile, bounded: _Bounded, left_out: Counter[str]
) -> Iterator[tarfile.TarInfo]:
    total = 0
    for member in archive:
        archive.members.clear()  # type: ignore[attr-defined]  # else tarfile would keep all headers
        _check_member(source, member)
        if member.isfile() and _is_image(member.name, left_out):
            total += member.size
            if total > LARGEST_ARCHIVE:
                raise DataError(f"{source} holds more than {LARGEST_ARCHIVE} bytes of images; do not trust this file")
            bounded.left = member.size
            yield member
        bounded.left = LARGEST_HEADER


def _check_member(source: Path, member: tarfile.TarInfo) -> None:
    """Refuse a member that a sound archive of images never has."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"{source}: member {member.name!r} climbs out of the archive; do not trust this file")
    if not (member.isfile() or member.isdir()):
        raise DataError(f"{source}: member {member.name!r} is a link or a device; pack plain files only")
    if member.isfile() and member.size > LARGEST_FILE:
        raise DataError(f"{source}: member {member.name!r} is larger than {LARGEST_FILE} bytes; remove it")


def _by_split(source: Path, names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, list[tuple[str, str]]]]:
    """The classes, and for "train" and "test" the (class, name) pairs, sorted."""
    images: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    tops = set()
    for name in names:
        parts = PurePosixPath(name).parts
        at = _split_at(parts)
        if at is not None:
            images[parts[at]].append((parts[at + 1], name))
            tops.add("/".join(parts[:at]))
    if len(tops) > 1:
        raise DataError(f"{source} holds several data sets ({', '.join(sorted(tops))}); give one of them alone")
    splits = {"train": sorted(images["train"]), "test": sorted(images["test"] or images["val"])}
    classes = {split: {label for label, _ in pairs} for split, pairs in splits.items()}
    for split, other in (("train", "test"), ("test", "train")):
        if not classes[split]:
            raise DataError(f"{source} has no images in {split}/<class>/; give a tree with train/ and test/ (or val/)")
        if missing := sorted(classes[other] - classes[split]):
            raise DataError(f"{source}: class {missing[0]!r} has no images in {split}/; get a complete copy")
    for label in classes["train"]:
        if printable(label) != label:
            raise DataError(f"{source}: class '{printable(label)}' has a name that is not UTF-8; rename it")
    return tuple(sorted(classes["train"])), splits


# --- decoding ------------------------------------------------------------------------------------------------------


def _decode_tree(source: Path, files: Files, size: int | None, fit: bool) -> Arrays:
    names, opened = files
    classes, splits = _by_split(source, names)
    pairs = splits["train"] + splits["test"]
    side = (size, size) if size is not None else None
    images, kinds = np.empty((0, 3, 0, 0), np.uint8), set()
    print(f"data: decoding the {len(pairs):,} images of {shown(source)}, once", flush=True)
    with tqdm(pairs, "decoding", unit=" images", mininterval=0.5, leave=False, disable=None) as progress:
        for i, (_, name) in enumerate(progress):
            with _opened(source, name, opened) as file:
                image, kind = rgb(f"{source}: {printable(name)}", file, again(source), size or 0 if fit else 0)
            if i == 0:
                side = side or image.size
                images = np.empty((len(pairs), 3, *side[::-1]), np.uint8)
            images[i] = _of_size(f"{source}: {printable(name)}", image, side or image.size, fit)
            kinds.add(kind.lower())
    labels = np.array([classes.index(label) for label, _ in pairs], np.int64)
    n = len(splits["train"])
    return Arrays(classes, kinds.pop() if len(kinds) == 1 else "mixed", images[:n], labels[:n], images[n:], labels[n:])


def _opened(source: Path, name: str, opened: Callable[[str], BinaryIO]) -> BinaryIO:
    try:
        return opened(name)
    except OSError as error:
        what = f"{source}: {printable(name)} cannot be read ({reason(error)})"
        raise DataError(f"{what}; allow that, or get it again") from error


def _of_size(name: str, image: Image.Image, side: tuple[int, int], fit: bool) -> np.ndarray:
    """An image as (3, H, W) uint8; with fit its shorter side scaled to the side, then its centre."""
    if fit:
        image = ImageOps.fit(image, side, Image.Resampling.BICUBIC)
    if image.size != side:
        raise DataError(f"{name} is {image.width}x{image.height} pixels, not {side[0]}x{side[1]}; get the right copy")
    return np.asarray(image).transpose(2, 0, 1)
