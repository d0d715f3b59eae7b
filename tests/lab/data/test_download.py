"""Downloads from servers that are slow, silent, cut off or lying: the whole file comes, or nothing is left."""

import hashlib
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torchvision

from lab.data import cifar_archive, download
from lab.data.download import Unavailable, fetch
from lab.data.folders import DataError

BODY = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
OTHER = bytes(len(BODY))


class Servers:
    """A server whose paths are places of one behaviour each, and a clock that goes on only while one is slow."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []  # path and Range
        self.now = self.step = 0.0
        self.released = threading.Event()
        servers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                servers.asked.append((self.path[1:], self.headers["Range"]))
                servers.step = 20.0 if "slow" in self.path else 0.0
                with suppress(ConnectionError):  # the client has gone
                    getattr(servers, self.path[1:].rstrip("12"))(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def clock(self) -> float:
        self.now += self.step
        return self.now

    def urls(self, *names: str) -> list[str]:
        return [f"http://127.0.0.1:{self.http.server_port}/{name}" for name in names]

    def good(self, to: BaseHTTPRequestHandler, body: bytes = BODY, sent: int | None = None) -> None:
        """All of it, whatever range is asked for; sent: that many bytes only, then the connection breaks."""
        to.send_response(200)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body[:sent])

    def ranged(self, to: BaseHTTPRequestHandler) -> None:
        if not to.headers["Range"]:
            return self.good(to)
        start = int(re.fullmatch(r"bytes=(\d+)-", to.headers["Range"])[1])  # type: ignore[index]
        to.send_response(206)
        to.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        to.send_header("Content-Length", str(len(BODY) - start))
        to.end_headers()
        to.wfile.write(BODY[start:])

    slow, slow_other = ranged, lambda self, to: self.good(to, OTHER)

    def cut(self, to: BaseHTTPRequestHandler, body: bytes = BODY) -> None:
        self.good(to, body, sent=100_000)

    cut_other, other, page = (
        lambda self, to: self.cut(to, OTHER),
        lambda self, to: self.good(to, OTHER),
        lambda self, to: self.good(to, b"<html>Please log in</html>"),
    )

    def endless(self, to: BaseHTTPRequestHandler) -> None:
        """Says no length, and sends more than there is."""
        to.send_response(200)
        to.end_headers()
        to.wfile.write(BODY + b"more")

    def gone(self, to: BaseHTTPRequestHandler) -> None:
        to.send_error(404)

    def stalled(self, to: BaseHTTPRequestHandler) -> None:
        self.good(to, sent=100_000)
        to.wfile.flush()
        self.released.wait(60)

    def slow_trickle(self, to: BaseHTTPRequestHandler) -> None:
        """A few bytes that never fill a chunk."""
        self.good(to, sent=10)
        to.wfile.flush()
        self.released.wait(60)

    def silent(self, to: BaseHTTPRequestHandler) -> None:
        self.released.wait(60)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    made = Servers()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "clock", made.clock)
    yield made
    made.released.set()
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def get(servers: Servers, tmp_path: Path) -> Callable[..., bytes]:
    """Downloads from the places of these names."""

    def run(*names: str) -> bytes:
        fetch(servers.urls(*names), tmp_path / "part", len(BODY), SHA256)
        return (tmp_path / "part").read_bytes()

    return run


@pytest.mark.parametrize("bad", ["slow", "cut", "cut_other", "other", "slow_other", "page", "endless", "gone"])
@pytest.mark.parametrize("next_one", ["good", "ranged"])
def test_a_place_that_fails_leads_to_the_next_and_one_line_says_so(
    get: Callable[..., bytes], servers: Servers, capsys: pytest.CaptureFixture[str], bad: str, next_one: str
) -> None:
    assert get(bad, next_one) == BODY
    first, second = servers.urls(bad, next_one)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"data: downloading {first} (0 MB)"
    assert len(lines) == 2 and re.fullmatch(rf"data: 127.0.0.1:\d+ is given up \(.+\); going on at {second}", lines[1])


@pytest.mark.parametrize("bad", ["stalled", "silent"])
def test_a_place_that_sends_nothing_more_leads_to_the_next(
    get: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 2.0)
    assert get(bad, "ranged") == BODY
    assert "is given up (nothing came for 2 s); going on at" in capsys.readouterr().out


def test_a_trickle_is_slow_before_it_fills_a_chunk(
    get: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert get("slow_trickle", "ranged") == BODY
    assert "is given up (it sends 0.00 MB/s); going on at" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "ranges"),
    [
        (("good", "good2"), [None]),
        (("cut", "ranged"), [None, "bytes=100000-"]),
        (("cut", "good"), [None, "bytes=100000-"]),
        (("cut_other", "ranged"), [None, "bytes=100000-", None]),  # the beginning was another file's
        (("cut", "page", "ranged"), [None, "bytes=100000-", "bytes=100000-"]),
    ],
)
def test_only_the_missing_rest_is_requested(
    get: Callable[..., bytes], servers: Servers, names: tuple[str, ...], ranges: list[str | None]
) -> None:
    assert get(*names) == BODY
    assert [each for _, each in servers.asked] == ranges


@pytest.mark.parametrize("kept", [len(BODY), len(BODY) + 5])
def test_a_part_that_is_too_long_is_thrown_away(get: Callable[..., bytes], tmp_path: Path, kept: int) -> None:
    (tmp_path / "part").write_bytes(bytes(kept))
    assert get("ranged") == BODY


def test_places_that_are_all_slow_are_asked_again_until_one_stalls(
    get: Callable[..., bytes], servers: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unavailable, match=r"it sends 0\.00 MB/s"):  # below the second limit too
        get("slow", "gone")
    assert [path for path, _ in servers.asked] == ["slow", "gone", "slow"]
    monkeypatch.setattr(download, "LEAST", (250e3, 0.0))
    assert get("slow", "gone") == BODY
    assert re.search(r"data: 0 of 0 MB, 0\.00 MB/s, \d+ (s|min) left", capsys.readouterr().out)


def test_at_the_end_every_place_has_its_reason(get: Callable[..., bytes], tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^127\S+: HTTP Error 404: Not Found; 127\S+: it broke off at 0 of 0 MB$"):
        get("gone", "cut")
    with pytest.raises(Unavailable, match=r"^HTTP Error 404: Not Found$"):
        get("gone", "gone2")
    with pytest.raises(DataError, match=rf"/other has SHA-256 \w+, not {SHA256}; it is another file, look at what"):
        get("gone", "other")


@pytest.fixture
def archive(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Servers:
    """The servers have CIFAR-10."""
    monkeypatch.setattr(cifar_archive, "SHA256", SHA256)
    monkeypatch.setattr(cifar_archive, "SIZE", len(BODY))
    return servers


def places(servers: Servers, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    authors, *mirrors = servers.urls(*names)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", authors)
    monkeypatch.setattr(cifar_archive, "MIRRORS", mirrors)


def test_the_archive_comes_from_a_mirror(archive: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places(archive, monkeypatch, "slow", "gone", "ranged")
    assert cifar_archive.download(tmp_path).read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == [cifar_archive.ARCHIVE]


@pytest.mark.parametrize("names", [("cut", "gone"), ("other", "page"), ("slow", "cut_other"), ("endless", "cut")])
def test_nothing_is_left_half(
    archive: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    places(archive, monkeypatch, *names)
    with pytest.raises((Unavailable, DataError)):
        cifar_archive.download(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_came_before_an_interrupt_is_gone_on_from(
    archive: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places(archive, monkeypatch, "ranged", "ranged2")

    def interrupt() -> float:
        if looked:
            raise KeyboardInterrupt
        looked.append(True)
        return 0.0

    looked: list[bool] = []  # at the clock, once before the first bytes
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download, "clock", interrupt)
        cifar_archive.download(tmp_path)
    (part,) = tmp_path.iterdir()
    came = part.stat().st_size
    assert part.name == f".{cifar_archive.ARCHIVE}.part" and 0 < came < len(BODY)
    assert cifar_archive.download(tmp_path).read_bytes() == BODY
    assert archive.asked[1:] == [("ranged", f"bytes={came}-")]
    assert [path.name for path in tmp_path.iterdir()] == [cifar_archive.ARCHIVE]
