"""Claims of the paper and its readers, with what was measured and the verdict."""

from lab.claims.architectures import ARCHITECTURES
from lab.claims.claim import CHANCE, TOLERANCE, Claim
from lab.claims.controls import CONTROL_CLAIMS, control_claims
from lab.claims.groups import KINDS, Group, by_seed, comparable, groups, main_group
from lab.claims.guidance import GUIDANCE
from lab.claims.later import LATER
from lab.claims.paper import AS_GOOD, ONLY_THE_FALL, PAPER, SIGMOID_GAIN
from lab.claims.range_tests import bounds_of_loss, bounds_verdict, measured_range_tests, read_bounds, read_range_test
from lab.claims.summary import Summary

__all__ = [
    "ARCHITECTURES",
    "AS_GOOD",
    "CHANCE",
    "CLAIMS",
    "CONTROL_CLAIMS",
    "GUIDANCE",
    "KINDS",
    "LATER",
    "ONLY_THE_FALL",
    "PAPER",
    "SIGMOID_GAIN",
    "TOLERANCE",
    "Claim",
    "Group",
    "Summary",
    "bounds_of_loss",
    "bounds_verdict",
    "by_seed",
    "comparable",
    "control_claims",
    "groups",
    "main_group",
    "measured_range_tests",
    "read_bounds",
    "read_range_test",
]

CLAIMS = (*PAPER, *CONTROL_CLAIMS, *ARCHITECTURES, *GUIDANCE, *LATER)  # the paper's, its advice, what came after
