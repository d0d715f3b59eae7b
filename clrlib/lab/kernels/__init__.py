"""The CPU's fused pooling and LRN (caffe.cpp): compiled at the first training, loaded from then on.

They take Linux and a C++ compiler. Where either is missing torch's own operations do the same, more slowly, and a line
says so. CLRLIB_KERNELS=torch keeps to torch's; CLRLIB_KERNELS=fused fails where these cannot be had.
"""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from clrlib.lab.files import sealed, unsealed, write_atomically
from clrlib.lab.paths import BUILD

SOURCE = Path(__file__).with_name("caffe.cpp")
CHANNELS_AT_A_TIME = 16  # LANES in caffe.cpp
# Square roots need not set errno nor raise: without these two the compiler must not make vectors of them. Both keep
# every result, NaN and infinity included, as it is.
OPTIONS = ["-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC"]


def fit(x: Tensor) -> bool:
    """Whether the kernels take x: float32 or bfloat16 on the CPU, channels-last, even sides, channels by sixteens."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.is_contiguous(memory_format=torch.channels_last)
        and x.shape[1] % CHANNELS_AT_A_TIME == 0
        and x.shape[2] % 2 == x.shape[3] % 2 == 0
        and name() == "fused"
    )


def name() -> str:
    """What this process trains with on a CPU: "fused" (these kernels) or "torch". Recorded with every run.

    Raises ValueError for a CLRLIB_KERNELS that is neither, RuntimeError where it asks for "fused" and that cannot be.
    """
    if wanted() == "torch":
        return "torch"
    if wanted() == "fused" and not load():
        raise RuntimeError("CLRLIB_KERNELS is 'fused', but the kernels cannot be had here (see above); leave it out")
    return "fused" if load() else "torch"


def wanted() -> str:
    """What CLRLIB_KERNELS asks for: "fused", "torch", or "" for the best there is."""
    wanted = os.environ.get("CLRLIB_KERNELS", "")
    if wanted not in ("fused", "torch", ""):
        raise ValueError(f'CLRLIB_KERNELS is {wanted!r}; set it to "fused" or "torch", or leave it out')
    return wanted


@cache
def load() -> bool:
    """Load the kernels into torch.ops.clrlib, compiled first where they were not. False, and a line, if that fails."""
    if why := problem():
        print(f"{why}; torch's own layers do the same, more slowly", file=sys.stderr, flush=True)
    return why is None


def obstacle() -> str | None:
    """What is missing here for compiling and using them, or None."""
    if sys.platform != "linux":
        return f"the CPU kernels are for Linux, not {sys.platform}"
    if shutil.which(_compiler()[0]) is None:
        return f"no C++ compiler {_compiler()[0]!r} for the CPU kernels (install g++, or name one with CXX)"
    return None


def problem() -> str | None:
    """Compile what is missing, load it; what went wrong, or None."""
    if missing := obstacle():
        return missing
    file = library()
    try:
        if is_whole(file):
            torch.ops.load_library(file)  # type: ignore[no-untyped-call]
        else:
            _compile(file)
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line] or ["it gave no reason"]
        return f"{_compiler()[0]} could not compile {SOURCE.name} ({lines[0]})"
    except OSError as error:
        return f"the CPU kernels could not be loaded ({error})"
    return None


def is_whole(library: Path) -> bool:
    """Whether it is there as it was written; says so where it is damaged. Loading half of one kills the process."""
    if not library.exists():
        return False
    whole = unsealed(library.read_bytes()) is not None
    if not whole:
        print(f"the CPU kernels in {library} are cut off or changed", file=sys.stderr, flush=True)
    return whole


def _compiler() -> list[str]:
    return os.environ.get("CXX", "").split() or ["g++"]


def library() -> Path:
    """A file for each source, compiler, torch and processor: what was made for another does not run here.

    It ends with its SHA-256, which who loads a library does not look at.
    """
    facts = (
        "sealed",  # those that an older clrlib made are not
        SOURCE.read_text(),
        OPTIONS,
        _compiler(),
        torch.__version__,
        platform.machine(),
        torch.cpu.get_capabilities(),
    )
    return BUILD / "kernels" / f"caffe-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}.so"


def _compile(library: Path) -> None:
    """Compile and load in a folder of its own, then write the whole file: two processes may do it at once."""
    library.parent.mkdir(parents=True, exist_ok=True)
    torch_folder = Path(torch.__file__).parent
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        print("compiling the CPU kernels, once (about 20 s) ...", file=sys.stderr, flush=True)
        made, built = Path(folder, "caffe.o"), Path(folder, "caffe.so")
        includes = [f"-isystem{torch_folder / part}" for part in ("include", "include/torch/csrc/api/include")]
        _run(*_compiler(), *OPTIONS, "-fopenmp", *includes, "-c", str(SOURCE), "-o", str(made))
        # no -fopenmp here: it would bring a second OpenMP with threads of its own beside the one that torch brings
        _run(*_compiler(), "-shared", str(made), f"-L{torch_folder / 'lib'}", "-ltorch_cpu", "-lc10", "-o", str(built))
        torch.ops.load_library(built)  # type: ignore[no-untyped-call]  # what does not load is not kept
        write_atomically(library, sealed(io.BytesIO(built.read_bytes())))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
