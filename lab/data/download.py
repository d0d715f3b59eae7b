"""Download a large file from several places in turn, with progress, resuming, a least speed and a SHA-256 check."""

import hashlib
import heapq
import ssl
import time
from collections.abc import Sequence
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from lab.data.arrays import DataError
from lab.files import reason
from lab.lines import SECONDS_BETWEEN_LINES, duration, say

TIMEOUT = 20.0  # seconds without a byte before a place is given up
LEAST = (250e3, 5e3)  # bytes a second over SECONDS_BETWEEN_LINES: below it another place is asked; once all were slow
CHUNK = 2**16
clock = time.monotonic


class Unavailable(Exception):
    """A file could not be downloaded; the message says why."""


class TooSlow(Exception):
    """A place sends the file too slowly."""

    def __init__(self, rate: float) -> None:
        super().__init__(f"it sends {rate / 1e6:.2f} MB/s")
        self.rate = rate


GIVEN_UP = (TooSlow, DataError, URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError)


def fetch(places: Sequence[str], part: Path, size: int, sha256: str) -> None:
    """Download size bytes to part from the first place that is fast enough, resuming after the bytes in part.

    Places that were too slow are tried once more after the others, the fastest first, until they stall.
    Raises DataError for another file, else Unavailable; OSError where part cannot be written.
    """
    queue = [(0, float(i), place) for i, place in enumerate(places)]  # the round, the order in it
    failed: dict[str, Exception] = {}
    say(f"data: downloading {places[0]} ({size / 1e6:.0f} MB)")
    while queue:
        turn, _, place = heapq.heappop(queue)
        try:
            return _fetch(place, part, size, sha256, LEAST[turn])
        except GIVEN_UP as error:
            failed[place] = error
            if isinstance(error, HTTPError):
                error.close()  # it holds the connection
            if isinstance(error, TooSlow) and turn == 0:
                heapq.heappush(queue, (1, -error.rate, place))
            then = f"going on at {queue[0][2]}" if queue else "there is no other place to ask"
            say(f"data: {_host(place)} is given up ({_why(error)}); {then}")
    raise _verdict(failed)


def _verdict(failed: dict[str, Exception]) -> Exception:
    """The final error: another file came, or the places' reasons, merged where all are the same."""
    if another := [error for error in failed.values() if isinstance(error, DataError)]:
        return another[0]
    whys = [(_host(place), _why(error)) for place, error in failed.items()]
    if len({why for _, why in whys}) == 1:
        return Unavailable(whys[0][1])
    return Unavailable("; ".join(f"{host}: {why}" for host, why in whys))


def _fetch(place: str, part: Path, size: int, sha256: str, least: float) -> None:
    """Download from one place, the missing rest only where it supports ranges."""
    start = part.stat().st_size if part.exists() else 0
    if start >= size:
        part.unlink()
        start = 0
    headers = {"User-Agent": "clrlib"} | ({"Range": f"bytes={start}-"} if start else {})
    with urlopen(Request(place, headers=headers), timeout=TIMEOUT) as answer, part.open("ab") as file:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        begin = start if resumed else 0
        if answer.length not in (None, size - begin):
            raise DataError(_another(place, f"{begin + answer.length} bytes", f"{size}"))
        file.truncate(begin)
        _copy(answer, file, begin, size, least)
    with part.open("rb") as whole:
        digest = hashlib.file_digest(whole, "sha256").hexdigest()
    if digest != sha256:
        part.unlink()
        if not begin:
            raise DataError(_another(place, f"SHA-256 {digest}", sha256))
        _fetch(place, part, size, sha256, least)  # the beginning was another place's


def _copy(answer: HTTPResponse, file: BinaryIO, done: int, size: int, least: float) -> None:
    """Copy the answer's bytes to the file. read1 returns the bytes received so far, so that a slow place is noticed."""
    then, before = clock(), done
    for chunk in iter(partial(answer.read1, CHUNK), b""):
        file.write(chunk)
        done += len(chunk)
        if done > size:
            break
        if (now := clock()) - then >= SECONDS_BETWEEN_LINES:
            rate = (done - before) / (now - then)
            if rate < least:
                raise TooSlow(rate)
            left = duration((size - done) / rate)
            say(f"data: {done / 1e6:.0f} of {size / 1e6:.0f} MB, {rate / 1e6:.2f} MB/s, {left} left")
            then, before = now, done
    if done < size:  # http.client takes a connection that breaks for the end
        raise HTTPException(f"it broke off at {done / 1e6:.0f} of {size / 1e6:.0f} MB")


def _another(place: str, received: str, wanted: str) -> str:
    fix = "look at what your network sends in its place, and call again"
    return f"the download {place} has {received}, not {wanted}; it is another file, {fix}"


def _host(place: str) -> str:
    return urlsplit(place).netloc


def _why(error: Exception) -> str:
    if isinstance(error, DataError):
        return "it sends another file"
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, OSError) else error
    if isinstance(cause, TimeoutError):
        return f"nothing came for {TIMEOUT:.0f} s"
    offline = isinstance(error, (URLError, ConnectionError)) and not isinstance(error, HTTPError)
    return f"no network: {reason(cause)}" if offline else reason(cause)
