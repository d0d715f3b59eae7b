"""Errors as one sentence for the user: what went wrong, and what to do."""

import os
import re

from joblib.externals.loky.process_executor import TerminatedWorkerError

from lab.files import reason

SETTINGS = ("DATA", "DEVICE", "PRECISION")  # as make takes them; it hands them on as CLRLIB_DATA and so on
LESS = "close other programs, train one run at a time (JOBS=1) or less (PROFILE=smoke), and call again"


def sentence(error: BaseException) -> str:
    """The error's message on one line, with settings as they were typed; our own words for an unreadable message.

    >>> sentence(FileNotFoundError(2, "No such file or directory", "lost.json"))
    'lost.json cannot be used (No such file or directory); fix that and call again'
    """
    text = " ".join(str(error).split())
    if out_of_memory(error):
        asked = re.search(r"tried to allocate [\d.]+ \w+", text, re.IGNORECASE)
        return f"the memory is used up ({asked[0].lower() if asked else text or 'no more to be had'}); {LESS}"
    if isinstance(error, TerminatedWorkerError):
        return f"a training's process was killed, most often for want of memory; {LESS}"
    if isinstance(error, OSError) and error.strerror:
        where = error.filename if error.filename is not None else "a file or the network"
        return f"{where} cannot be used ({reason(error)}); fix that and call again"
    return as_typed(text)


def as_typed(text: str) -> str:
    """Write DATA for CLRLIB_DATA under make, unless only CLRLIB_DATA was set; likewise for the other settings.

    Inside a recipe make sets MAKELEVEL, and DATA if it stood on the command line.
    """
    for name in SETTINGS if "MAKELEVEL" in os.environ else ():
        if os.environ.get(name) or not os.environ.get(f"CLRLIB_{name}"):
            text = text.replace(f"CLRLIB_{name}", name)
    return text


def out_of_memory(error: BaseException) -> bool:
    """True for a failed allocation, on the CPU or the GPU. torch's CPU allocator has no error class of its own."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and re.search("out of memory|can't allocate memory", str(error)) is not None
