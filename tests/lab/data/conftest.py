"""An empty project and a missing network, for the tests of the data."""

from pathlib import Path
from urllib.error import URLError

import network
import pytest

from lab import paths


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data/ inside an empty project; nothing named in the environment; no network."""
    network.sends(monkeypatch, URLError("Name or service not known"))
    monkeypatch.setattr("urllib.request.urlopen", None)  # torchvision's
    monkeypatch.delenv("CLRLIB_DATA", raising=False)
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project")
    monkeypatch.setattr(paths, "DATA", tmp_path / "project" / "data")
    (tmp_path / "project" / "data").mkdir(parents=True)
    return tmp_path / "project" / "data"
