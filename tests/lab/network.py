"""A network that is not there: every address sends the same bytes, or fails in the same way."""

import io
from urllib.request import Request

import pytest


class Answer(io.BytesIO):
    """An answer of urlopen, as far as a download reads it."""

    status = 200

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.length, self.headers = len(content), dict[str, str]()


def sends(monkeypatch: pytest.MonkeyPatch, answer: bytes | Exception) -> list[str]:
    """Let every address answer so; returns those that were asked."""
    asked: list[str] = []

    def urlopen(request: Request, timeout: float) -> Answer:
        asked.append(request.full_url)
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer)

    monkeypatch.setattr("lab.data.download.urlopen", urlopen)
    return asked
