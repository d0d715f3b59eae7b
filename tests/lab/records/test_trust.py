"""Nothing that could run is opened, nothing unasked is fetched, nothing is served to others."""

import ast
import io
import re
import socket
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab_server import lab_server
from torchvision.datasets.utils import extract_archive

from lab import paths
from lab.cli.__main__ import main

SOURCES = sorted(path for package in ("clrlib", "lab") for path in (paths.ROOT / package).rglob("*.py"))


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    """Every call of a function or method of this name in clrlib and the lab."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
                yield path, node


def test_clrlib_unpacks_nothing_to_the_disk_itself() -> None:
    for name in ("extractall", "extract", "unpack_archive"):
        assert not [*calls(name)], name
    assert [*calls("extractfile")], "what is read is read in memory"


@pytest.mark.skipif(
    not hasattr(tarfile, "data_filter"), reason="Python before 3.11.4 has no filter; the MD5 alone guards"
)
@pytest.mark.parametrize(
    "member", [{"name": "../outside"}, {"name": "/outside"}, {"name": "a", "type": tarfile.SYMTYPE, "linkname": "/etc"}]
)
def test_what_torchvision_unpacks_stays_in_its_folder(tmp_path: Path, member: dict[str, Any]) -> None:
    """Imagenette and CIFAR-100, after their MD5 agreed: with the data filter of Python's tarfile."""
    archive, inside = tmp_path / "a.tgz", tmp_path / "inside"
    with tarfile.open(archive, "w:gz") as file:
        entry = tarfile.TarInfo(member["name"])
        entry.type, entry.linkname = member.get("type", tarfile.REGTYPE), member.get("linkname", "")
        file.addfile(entry, io.BytesIO())
    inside.mkdir()
    if member["name"].startswith("/"):  # the filter takes the root away
        extract_archive(archive, inside)
        assert [path.name for path in inside.iterdir()] == ["outside"]
    else:
        with pytest.raises(tarfile.FilterError):
            extract_archive(archive, inside)
        assert not any(inside.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tgz", "inside"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The hosts that the network was asked for; it is cut."""
    hosts: list[object] = []

    def refuse(host: object, *_: object, **__: object) -> None:
        hosts.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: refuse(address))
    return hosts


@pytest.mark.parametrize("command", ["train", "reproduce", "publish", "data"])
def test_no_command_but_data_reaches_for_the_network(
    command: str,
    asked: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("CLRLIB_DATA", raising=False)
    for name in ("DATA", "BUILD"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    assert main([command, "--profile", "paper"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: CIFAR-10 is not at DATA/")
    assert bool(asked) == (command == "data")
    assert ("run `make data` to download it" in said) == (command != "data")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, Any]]:
    with lab_server(tmp_path) as about:
        yield about


def test_jupyterlab_keeps_its_token_and_listens_here_alone(server: dict[str, Any]) -> None:
    contents = f"{server['url']}api/contents"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(contents)
    assert re.fullmatch("[0-9a-f]{48}", server["token"])
    with urllib.request.urlopen(f"{contents}?token={server['token']}") as answer:
        assert answer.status == 200
    listening = [c for c in psutil.Process(server["pid"]).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert listening and {c.laddr.ip for c in listening} <= {"127.0.0.1", "::1"}
