"""A compiled library: built at its first use, kept in build/kernels/, loaded only if intact."""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lab import paths
from lab.files import sealed, unsealed, write_atomically

HERE = Path(__file__).parent
TORCH = Path(torch.__file__).parent
# Square roots need not set errno nor raise: without these two the compiler must not make vectors of them. Both keep
# every result, NaN and infinity included, as it is.
OPTIONS = ["-std=gnu++20", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-fopenmp"]
HEADERS = [f"-isystem{TORCH / part}" for part in ("include", "include/torch/csrc/api/include")]


@dataclass(frozen=True)
class Library:
    """A C++ library. sources: the compiled file, then those that it includes. headers: it includes torch's headers."""

    sources: tuple[str, ...]
    load: Callable[[Path], Any]
    headers: bool = False

    def file(self) -> Path:
        """The library's file, one for each source, compiler, torch and processor: a build runs on its own alone.

        Its last bytes are its SHA-256, which the loader ignores.
        """
        texts = [(HERE / source).read_text() for source in self.sources]
        facts = (texts, OPTIONS, compiler(), torch.__version__, platform.machine(), torch.cpu.get_capabilities())
        name = Path(self.sources[0]).stem
        return paths.kernel(f"{name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}.so")

    def is_whole(self) -> bool:
        """True where the file is there, as it was written. Loading a damaged library kills the process."""
        file = self.file()
        return file.exists() and unsealed(file.read_bytes()) is not None

    def get(self) -> Any:
        """The loaded library, compiled first where its file is missing or damaged; a line says so if damaged.

        Raises CalledProcessError where it cannot be compiled, OSError where it cannot be written or loaded.
        """
        file = self.file()
        if self.is_whole():
            return self.load(file)
        if file.exists():
            print(f"the CPU kernels in {file} are cut off or changed", file=sys.stderr, flush=True)
        return self._compile(file)

    def _compile(self, file: Path) -> Any:
        """Compile and load in a temporary folder, then rename into place: two processes may compile at once."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            made, built = Path(folder, "made.o"), Path(folder, file.name)
            source = HERE / self.sources[0]
            run(*compiler(), *OPTIONS, *(HEADERS if self.headers else []), "-c", str(source), "-o", str(made))
            # no -fopenmp here: it would bring a second OpenMP with threads of its own beside the one that torch brings
            libraries = [f"-L{TORCH / 'lib'}", "-Wl,--no-as-needed", "-ltorch_cpu", "-lc10"]
            run(*compiler(), "-shared", str(made), *libraries, "-o", str(built))
            loaded = self.load(built)  # what does not load is not kept
            write_atomically(file, sealed(io.BytesIO(built.read_bytes())))
            return loaded


def obstacle() -> str | None:
    """The reason why kernels cannot be compiled and used here, or None."""
    if sys.platform != "linux":
        return f"the CPU kernels are for Linux, not {sys.platform}"
    if shutil.which(compiler()[0]) is None:
        return f"no C++ compiler {compiler()[0]!r} for the CPU kernels (install g++, or name one with CXX)"
    return None


def compiler() -> list[str]:
    """The command that CXX names, else g++."""
    return os.environ.get("CXX", "").split() or ["g++"]


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
