"""The snippets of docs/first_steps.md: the wheel is built, installed elsewhere, and runs them from there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import paths

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


@pytest.mark.slow
@pytest.mark.promise
def test_install_range_test_and_first_training(tmp_path: Path) -> None:
    page = (paths.ROOT / "docs" / "first_steps.md").read_text()
    assert "pip install .\n" in page and "pip wheel --no-deps ." in page
    source, wheels, site = (tmp_path / name for name in ("source", "wheels", "site"))
    shutil.copytree(paths.ROOT / "clrlib", source / "clrlib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):  # a build leaves files beside its source
        shutil.copy(paths.ROOT / name, source)
    removed = source / "build" / "lib" / "clrlib" / "removed.py"  # as an earlier build left it
    removed.parent.mkdir(parents=True)
    removed.touch()
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source], check=True)
    (wheel,) = wheels.glob("clrlib-*.whl")
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", site, wheel], check=True)
    assert not (site / "clrlib" / "removed.py").exists()

    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    program = [f"import sys; sys.path.insert(0, {str(site)!r})", *blocks, "import clrlib; print(clrlib.__file__)"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    bounds, accuracy, where = done.stdout.splitlines()
    assert re.match(r"base_lr .*, max_lr [\d.]+: accuracy increases from base_lr", bounds)
    assert float(accuracy.split("%")[0]) > 90
    assert Path(where).is_relative_to(site)
