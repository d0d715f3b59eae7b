"""The CPU's fused pooling and LRN (caffe.cpp): compiled at the first training, loaded from then on.

They take Linux and a C++ compiler. Where either is missing, torch's own operations do the same, about a quarter slower.
CLRLIB_KERNELS=torch keeps to torch's.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

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
    """What this process trains with on a CPU: "fused" (these kernels) or "torch". Recorded with every run."""
    wanted = os.environ.get("CLRLIB_KERNELS", "fused")
    if wanted not in ("fused", "torch"):
        raise ValueError(f'CLRLIB_KERNELS is {wanted!r}; set it to "fused" or "torch", or leave it out')
    return "fused" if wanted == "fused" and load() else "torch"


@cache
def load() -> bool:
    """Load the kernels into torch.ops.clrlib, compiled first where they were not. Warns and gives False if it fails."""
    if sys.platform != "linux":
        return False
    library = _library()
    try:
        if not library.exists():
            _compile(library)
    except FileNotFoundError:
        warnings.warn(f"no C++ compiler {_compiler()!r}: training goes on, about a quarter slower", stacklevel=2)
        return False
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line] or ["it gave no reason"]
        warnings.warn(
            f"{_compiler()} could not compile {SOURCE.name} ({lines[0]}): training goes on, about a quarter slower",
            stacklevel=2,
        )
        return False
    torch.ops.load_library(library)  # type: ignore[no-untyped-call]
    return True


def _compiler() -> str:
    return os.environ.get("CXX", "g++")


def _library() -> Path:
    """A file for each source, torch and processor: what was compiled for another does not run here."""
    facts = (SOURCE.read_text(), OPTIONS, torch.__version__, platform.machine(), torch.cpu.get_capabilities())
    return BUILD / "kernels" / f"caffe-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}.so"


def _compile(library: Path) -> None:
    """Compile into a folder of its own, then move the whole file into place: two processes may do this at once."""
    # imported here, for the include folders alone: the import takes a second
    from torch.utils.cpp_extension import include_paths

    print("compiling the CPU kernels (20 s, once) ...", file=sys.stderr, flush=True)
    library.parent.mkdir(parents=True, exist_ok=True)
    torch_libraries = Path(torch.__file__).parent / "lib"
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made, built = Path(folder, "caffe.o"), Path(folder, "caffe.so")
        includes = [f"-isystem{path}" for path in include_paths()]
        _run(_compiler(), *OPTIONS, "-fopenmp", *includes, "-c", str(SOURCE), "-o", str(made))
        # no -fopenmp here: it would bring a second OpenMP with threads of its own beside the one that torch brings
        _run(_compiler(), "-shared", str(made), f"-L{torch_libraries}", "-ltorch_cpu", "-lc10", "-o", str(built))
        shutil.move(built, library)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
