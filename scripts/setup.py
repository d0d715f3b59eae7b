"""Make the environment in .venv from the lock, or add an extra's packages to it. Two calls at once: one waits.

    python3 scripts/setup.py                # as `make setup` does; TORCH=cpu takes torch's build without CUDA
    python3 scripts/setup.py bench          # requirements-bench.lock too, likewise book

Does nothing where .venv is newer than its lock.
"""

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

VENV = Path(".venv")
ONLY_CUDA = ("nvidia-", "cuda-", "triton")  # packages that torch needs on a GPU alone
BUILDS = ("torch", "torchvision")  # which have a build +cpu


def split(lock: str) -> tuple[str, list[str]]:
    """Split a lock into one without torch and CUDA, and the builds for the CPU to install beside it.

    >>> split('# made\\nnumpy==2.4 --hash=a\\ntorch==2.15.0 --hash=b\\ntriton==3 --hash=c\\nnvidia-nccl==2 --hash=d')
    ('# made\\nnumpy==2.4 --hash=a', ['torch==2.15.0+cpu'])
    """
    entries = re.split(r"\n(?=\S)", lock)  # what belongs to an entry is indented
    left_out = [entry for entry in entries if entry.startswith((*ONLY_CUDA, *(f"{name}==" for name in BUILDS)))]
    builds = [f"{entry.split()[0]}+cpu" for entry in left_out if not entry.startswith(ONLY_CUDA)]
    return "\n".join(entry for entry in entries if entry not in left_out), builds


def pip(*arguments: str | Path) -> None:
    """Call the environment's pip; end as it did where it failed."""
    command = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    if code := subprocess.call(command):
        sys.exit(code)


def install(lock: Path, for_cpu: bool, *options: str) -> None:
    """Install what a lock names; for the CPU without CUDA's packages."""
    if not for_cpu:
        pip(*options, "--require-hashes", "-r", lock)
        return
    rest, builds = split(lock.read_text(encoding="utf-8"))
    lock = VENV / f"{lock.stem}-cpu.lock"
    lock.write_text(rest, encoding="utf-8")
    if builds:
        pip(*options, "--no-deps", *builds)  # first: where pip finds none it says so at once
    pip(*options, "--no-deps", "--require-hashes", "-r", lock)


def environment(for_cpu: bool) -> None:
    """Make .venv. --no-compile: of what is installed a small part is ever imported, and compiled then."""
    size = "1 GB, torch without CUDA" if for_cpu else "6 GB on Linux, most of it CUDA's; TORCH=cpu leaves that out"
    print(f"making the environment in {VENV} (some 3 min; {size})", flush=True)
    subprocess.check_call([sys.executable, "-m", "venv", VENV])
    install(Path("requirements.lock"), for_cpu, "--no-compile")
    pip("--no-deps", "--no-build-isolation", "-e", ".")
    (path,) = VENV.glob("lib/python3*/site-packages/__editable__.clrlib-*.pth")
    path.write_text("../../../..\n")  # a copied or moved clone is its own


def main(extra: str = "") -> None:
    """Make what is missing, while no other process does."""
    lock, done = Path(f"requirements{extra and f'-{extra}'}.lock"), VENV / (extra or "done")
    try:
        alone = Path(".setup.lock").open("w")  # noqa: SIM115  # held until this process ends
    except OSError as error:
        sys.exit(f"error: this folder cannot be written to ({error.strerror}); make it writable and call again")
    fcntl.flock(alone, fcntl.LOCK_EX)
    sources = (lock,) if extra else (lock, Path("pyproject.toml"))
    if done.exists() and all(done.stat().st_mtime >= source.stat().st_mtime for source in sources):
        return
    made = VENV / "done"  # says for what, so that another lock or an extra does not bring CUDA after all
    build = os.environ.get("TORCH") or (made.read_text() if made.exists() else "")
    if extra:
        install(lock, build == "cpu")
    else:
        environment(build == "cpu")
    done.write_text(build)


if __name__ == "__main__":
    main(*sys.argv[1:])
