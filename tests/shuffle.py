"""A random order that keeps the tests of a file together, as pytest-xdist's loadfile and module fixtures need them."""

import random
from itertools import groupby
from typing import Protocol, TypeVar


class HasNodeId(Protocol):
    nodeid: str


Item = TypeVar("Item", bound=HasNodeId)


def shuffled(items: list[Item], seed: int) -> list[Item]:
    """Shuffle the files, and the tests within each: every order is as likely as any other."""
    draw = random.Random(seed)
    files = [[*tests] for _, tests in groupby(items, lambda item: item.nodeid.split("::")[0])]
    draw.shuffle(files)
    for tests in files:
        draw.shuffle(tests)
    return [test for tests in files for test in tests]
