"""How far many runs together are: a bar at the bottom of a terminal, lines in a log."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from clrlib.lab import distributed
from clrlib.lab.progress import Counter, Progress, duration
from clrlib.lab.runs import Run

SECONDS_BETWEEN_REFRESHES = 1.0
BAR = "total: {percentage:3.0f} %|{bar}| {n:,}/{total:,} iterations, {desc}, {remaining} left"
