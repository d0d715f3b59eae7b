"""Records of trainings: made, checked, stored, read again, and all of them as tables."""

from lab.records.frames import curves as curves
from lab.records.frames import frame as frame
