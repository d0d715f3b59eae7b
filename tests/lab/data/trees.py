"""Made-up data sets as files: trees of small images, in folders and archives."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def encoded(colour: tuple[int, ...], side: int | tuple[int, int] = 4, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """An image of one colour. side: or (width, height)."""
    buffer = io.BytesIO()
    Image.new(mode, (side, side) if isinstance(side, int) else side, colour).save(buffer, kind)
    return buffer.getvalue()


def tree(
    classes: Iterable[str], train: int, test: int, side: int | tuple[int, int] = 4, kind: str = "PNG", val: str = "test"
) -> dict[str, bytes]:
    """Images of a colour by class and file: 20 times the class, 2 times the file, 1 more in train."""
    suffix = {"PNG": "png", "JPEG": "jpg"}[kind]
    return {
        f"{split}/{label}/{i}.{suffix}": encoded((20 * k + 2 * i + (split == "train"), 0, 255), side, kind)
        for split, count in (("train", train), (val, test))
        for k, label in enumerate(classes)
        for i in range(count)
    }


def put_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def put_archive(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return path
