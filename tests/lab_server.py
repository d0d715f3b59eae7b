"""JupyterLab as `make lab` starts it, but for the browser, in a user's home that is new."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import paths


@contextmanager
def lab_server(home: Path) -> Iterator[dict[str, Any]]:
    """A server on home/notebooks/, and what it says about itself: "url", "token", "pid" ..."""
    commands = subprocess.run(["make", "-n", "lab"], cwd=paths.ROOT, capture_output=True, text=True, check=True).stdout
    (command,) = [line.split() for line in commands.splitlines() if "jupyterlab" in line]
    quiet = "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"
    python, script, *command = command
    assert (python, script) == ("python3", "scripts/settings.py")  # which hands the rest on
    assert command == ["-m", "jupyterlab", quiet, "notebooks"], "no option that opens it to others"
    (home / "notebooks").mkdir(exist_ok=True)
    new = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    as_root = ("--allow-root",) if os.name != "nt" and not os.getuid() else ()
    options = ("--no-browser", "--ServerApp.port=0", *as_root)
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command, *options], cwd=home, env=os.environ | new, stdout=log, stderr=log
        )
    try:
        yield _wait_for_it(server, home)
    finally:
        server.terminate()  # kernels end with it
        server.wait(30)


def _wait_for_it(server: "subprocess.Popen[bytes]", home: Path) -> dict[str, Any]:
    for _ in range(600):
        if about := _about(home / "RUNTIME"):
            return about
        assert server.poll() is None, (home / "log.txt").read_text()
        time.sleep(0.2)
    raise AssertionError((home / "log.txt").read_text())


def _about(folder: Path) -> dict[str, Any] | None:
    for path in folder.glob("jpserver-*.json"):
        try:
            about: dict[str, Any] = json.loads(path.read_text())
            urllib.request.urlopen(f"{about['url']}api")
        except (ValueError, OSError):  # half written, or not listening yet
            return None
        return about
    return None
