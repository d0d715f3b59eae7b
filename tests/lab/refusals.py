"""The user's view of bad input: a command that refuses in one sentence and leaves every file as it was."""

import io
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import experiments
from lab.cli.__main__ import main
from lab.experiments.run import Run

TRAIN = "train --profile smoke --rows fixed --jobs 1"
RUN = experiments.runs("smoke", {"cifar10": "digits"}, "float32", catalogue=[experiments.FIXED])[0]
Act = Callable[["Lab"], Any]


@dataclass
class Lab:
    """A project's folders, all below one that is empty at first, and a user's folder beside them."""

    root: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    @property
    def user(self) -> Path:
        """The user's folder of data."""
        return self.root / "user"

    @property
    def records(self) -> Path:
        """The folder of smoke's records."""
        return self.root / "build" / "smoke" / "results"

    def checkpoint(self, run: Run = RUN) -> Path:
        return self.records.parent / "checkpoints" / f"{run.name}.pt"

    def data(self, place: Path | str) -> None:
        """Name a place in CLRLIB_DATA."""
        self.patch.setenv("CLRLIB_DATA", str(place))

    def files(self) -> dict[str, bytes | str | None]:
        """Everything below the root: what is in the files, where links lead, that there are folders."""
        return {path.relative_to(self.root).as_posix(): content(path) for path in self.root.rglob("*")}

    def refuses(self, line: str, says: str, does: str, *, error: type[BaseException], made: str = "(?!)") -> None:
        """The command ends with one sentence, twice the same, and the third time, where it is asked for, a traceback.

        says: what was wrong, with the value or file. does: what to do about it. made: the files that it may well make
        (a pattern); it never changes or removes one that was there.
        """
        before = self.files()
        for _ in range(2):  # nor is the second call another
            code = main(line.split())
            shown = [text.rsplit("\r", 1)[-1] for text in self.capture.readouterr().err.rstrip("\n").split("\n")]
            assert code not in (0, None)
            assert len(shown) == 1 and shown[0].startswith("error: "), shown
            assert "Traceback" not in shown[0] and "[Errno" not in shown[0], shown
            assert re.search(f"({says}).*({does})", shown[0]), shown
            assert unexpected(before, self.files(), made) == []
        with self.patch.context() as patch:
            patch.setenv("CLRLIB_TRACEBACK", "1")
            with pytest.raises(error):
                main(line.split())
        assert unexpected(before, self.files(), made) == []


def content(path: Path) -> bytes | str | None:
    """The bytes of a file, the target of a link, None for a folder; not by Path's methods, which tests make fail."""
    if path.is_symlink():
        return str(path.readlink())
    if stat.S_ISDIR(path.lstat().st_mode):
        return None
    with io.FileIO(path) as file:
        return file.readall()


def unexpected(before: dict[str, Any], after: dict[str, Any], made: str) -> list[str]:
    """The files that were changed or removed, and the new ones that are not among those that may be made."""
    changed = [name for name, content in before.items() if after.get(name, "") != content]
    locks = {name for name, content in after.items() if name.endswith("/locks") and content is None}
    places = {parent for name in locks for parent in (name, *map(str, Path(name).parents))}  # where locks were held
    new = [name for name in after if name not in before and name not in places]
    return changed + [name for name in new if not re.fullmatch(made, name)]
