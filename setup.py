"""All is in pyproject.toml; this empties build/lib, from which setuptools would pack modules that were removed."""

import shutil
from pathlib import Path

from setuptools import setup

shutil.rmtree(Path(__file__).parent / "build" / "lib", ignore_errors=True)
setup()
