"""A run's name is its content, and what is written is read back the same."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

import clrlib
from clrlib import (
    Cyclical,
    Exponential,
    ExpRange,
    Fixed,
    Function,
    Hann,
    LinearDecay,
    MultiStep,
    OneCycle,
    PiecewiseLinear,
    Policy,
    Repeat,
    Stages,
    Triangular,
    Triangular2,
    UpDown,
    WarmRestarts,
    Welch,
)
from lab.experiments import CLR_TABLE_2, CONTROL_TUNED, FIXED, HEADLINE, TUNE_FIXED
from lab.experiments.as_json import read, write
from lab.experiments.run import Run

RUN = Run("fixed", MultiStep(1e-3, (60_000, 65_000)), iterations=70_000, seed=3)

ANOTHER = {
    "experiment": "fixed2",
    "policy": MultiStep(1e-3, (60_000, 65_001)),
    "iterations": 70_001,
    "seed": 4,
    "profile": "quick",
    "data": "cifar10-jpeg",
    "net": "another",
    "optimizer": "sgd",
    "momentum": 0.8,
    "weight_decay": 0.0,
    "batch": 128,
    "order": "epoch",
    "precision": "bfloat16",
    "evaluate_every": 100,
    "test_on": "validation",
    "snapshots": (500, 1000),
    "hold_out": True,
    "flip": True,
    "shift": 4,
    "crop": 28,
}

NAMES = {  # of seed 5 at the paper's size
    "fixed": "fixed-multistep-seed5-fa2f25c7",
    "clr-table2": "clr-table2-stages-seed5-ad18bf23",
    "control-fixed-25000": "control-fixed-25000-multistep-seed5-c5e6ca39",
    "control-mean-25000": "control-mean-25000-multistep-seed5-c37a1bc8",
    "control-cycles-70000": "control-cycles-70000-stages-seed5-d659daee",
    "tune-fixed-0.001": "tune-fixed-0.001-multistep-seed5-17d3647a",
    "tune-fixed-0.001414": "tune-fixed-0.001414-multistep-seed5-e9686f63",
    "tune-fixed-0.002": "tune-fixed-0.002-multistep-seed5-e62f962c",
    "tune-fixed-0.002828": "tune-fixed-0.002828-multistep-seed5-99501679",
    "tune-fixed-0.004": "tune-fixed-0.004-multistep-seed5-e7c8b5cd",
    "tune-fixed-0.005657": "tune-fixed-0.005657-multistep-seed5-52eff156",
}

POLICIES = [
    Fixed(0.01),
    MultiStep(0.01, (3, 5), gamma=0.2),
    Exponential(0.1, gamma=0.99994),
    LinearDecay(0.007, 0.001, steps=4000),
    Stages((4, Triangular2(0.1, 0.2, 2)), (3, MultiStep(0.01, (1, 2))), (2, Stages((1, Fixed(0.1))))),
    Stages((4, Triangular(0.1, 0.2, 3)), (3, Triangular(0.01, 0.02, 3))),
    Stages((4, Triangular(0.1, 0.2, 3)), (3, Triangular(0.01, 0.02, 3)), restart=False),
    Cyclical(0.001, 0.006, step_size=7),
    Triangular(0.001, 0.006, step_size=7),
    Triangular2(1 / 3, 2 / 3, step_size=7),
    ExpRange(0.001, 0.006, 7, gamma=0.9),
    ExpRange(0.001, 0.006, 7, gamma=0.9, decay="amplitude"),
    Welch(0.001, 0.006, step_size=7),
    Hann(0.001, 0.006, step_size=7),
    WarmRestarts(0.001, 0.006, cycle=7, growth=2),
    PiecewiseLinear(((0, 0.1), (7, 0.25))),
    UpDown(0.001, 0.006, 7, 9, shrink=0.5, gamma=0.9),
    OneCycle(0.1, 0.5, 0.01, peak=4, back=8, end=10, anneal="linear"),
    OneCycle(0.1, 0.5, 0.01, peak=4, end=10),
    Repeat(Stages((4, Triangular(0.1, 0.2, 3)), (3, Fixed(0.1))), every=5),
]


def test_the_name_says_what_it_is_and_never_changes() -> None:
    """Pinned: a change that renames runs would orphan every published record."""
    assert RUN.name == "fixed-multistep-seed3-aea21e19"
    assert replace(RUN, order="once", precision="bfloat16").name == "fixed-multistep-seed3-54c0471b"
    names = {row.name: row.run("paper", 5, "cifar10", "float32").name for row in (*HEADLINE, *TUNE_FIXED)}
    assert names == NAMES | {row.name: names[row.name] for row in CONTROL_TUNED}  # whose rate is chosen, not typed in
    seed_0 = {row.name: row.run("paper", 0, "cifar10", "float32").name for row in (FIXED, CLR_TABLE_2)}
    assert seed_0 == {"fixed": "fixed-multistep-seed0-d55cf46d", "clr-table2": "clr-table2-stages-seed0-27c4d7b7"}


def test_another_value_anywhere_is_another_name() -> None:
    assert set(ANOTHER) == {field.name for field in dataclasses.fields(Run)}, "a new setting belongs in this test"
    names = {RUN.name} | {replace(RUN, **{field: value}).name for field, value in ANOTHER.items()}
    assert len(names) == 1 + len(ANOTHER)
    assert len({name.rsplit("-", 1)[1] for name in names}) == len(names), "not only the readable part differs"


EACH_POLICY = pytest.mark.parametrize("policy", POLICIES, ids=repr)


def through_json(run: Run) -> Run:
    return Run.from_json(json.loads(json.dumps(run.to_json())))


@EACH_POLICY
def test_every_policy_and_each_of_its_numbers_is_in_the_hash(policy: Policy) -> None:
    hashes = [replace(RUN, policy=other).hash for other in POLICIES]
    assert hashes.count(replace(RUN, policy=policy).hash) == 1
    for field in dataclasses.fields(policy):  # type: ignore[arg-type]
        value = getattr(policy, field.name)
        if isinstance(value, float):
            assert replace(RUN, policy=replace(policy, **{field.name: value * 0.99})).hash not in hashes


@EACH_POLICY
def test_a_run_comes_back_from_json_as_it_was(policy: Policy) -> None:
    for run in (replace(RUN, policy=policy), replace(RUN, momentum=policy, snapshots=(3, 6))):
        back = through_json(run)
        assert back == run and back.name == run.name and hash(back) == hash(run)
        assert type(back.policy) is type(run.policy) and type(back.momentum) is type(run.momentum)
        assert [back.policy(t) for t in range(12)] == [run.policy(t) for t in range(12)]


def test_a_later_setting_renames_no_old_run_and_gets_its_default() -> None:
    @dataclass(frozen=True)
    class LaterRun(Run):
        averaging: float = 0.0

    later = LaterRun.from_json(RUN.to_json())
    assert later.name == RUN.name and later.averaging == 0.0
    assert replace(later, averaging=0.1).name != RUN.name


def test_defaults_are_caffes_solver() -> None:
    """paper.md 4.2: momentum 0.9, weight_decay 0.004, batch 100, images in one order (4.1)."""
    assert (RUN.momentum, RUN.weight_decay, RUN.batch, RUN.order) == (0.9, 0.004, 100, "file")


def concrete(kind: type[Policy]) -> Iterator[type[Policy]]:
    for child in kind.__subclasses__():
        if vars(clrlib).get(child.__name__) is child:
            yield child
            yield from concrete(child)


def test_the_policies_here_are_all_there_are() -> None:
    all_but_code = set(concrete(Policy)) - {Function}
    assert {type(policy) for policy in POLICIES} == all_but_code, "a new policy belongs in this test"


def test_a_function_is_no_part_of_a_run() -> None:
    policy = Function(lambda t: 0.1, name="constant").repeat(3)
    with pytest.raises(TypeError, match=r"Function\(name='constant'\) cannot be written into a record"):
        _ = replace(RUN, policy=policy).hash


def test_json_of_a_policy_is_its_class_and_numbers() -> None:
    """Pinned to the byte: the names of records are its hash, their files hold it."""
    policy = Stages((4, Triangular2(0.1, 0.2, 2)), (3, MultiStep(0.01, (1, 2))), restart=False)
    written = (
        '{"name": "Stages", "stages": [[4, {"name": "Triangular2", "base_lr": 0.1, "max_lr": 0.2, "step_size": 2}], '
        '[3, {"name": "MultiStep", "lr": 0.01, "milestones": [1, 2], "gamma": 0.1}]], "restart": false}'
    )
    assert json.dumps(write(policy)) == written


@pytest.mark.parametrize(
    ("content", "says"),
    [
        *(
            ({"name": name}, f"policy '{name}' is not one of clrlib; was the")
            for name in ("Zigzag", "np", "__name__", "Policy", "Function")
        ),
        ({"name": ["Fixed"], "lr": 0.1}, r"policy \['Fixed'\] is not one of clrlib"),
        ("Fixed", "policy 'Fixed' is not one of clrlib"),
        ({"name": "Fixed"}, r"required field missing @ \$.lr"),
        ({"name": "Fixed", "lr": "0.1"}, r"'0.1' is not of type float @ \$.lr"),
        ({"name": "Fixed", "lr": -1}, "lr is -1; a learning rate must be 0 or more"),
        ({"name": "Fixed", "lr": 0.1, "gamma": 0.1}, r"extra fields found \(gamma\)"),
        (
            {"name": "Repeat", "policy": {"name": "Fixed", "lr": 0.1}, "every": 2.5},
            r"2.5 is not of type int @ \$.every",
        ),
        ({"name": "Stages", "stages": [[1]]}, r"stages\[0\]"),
        ({"name": "Stages", "stages": [[1, {"name": "Fixed", "lr": 0.1}]], "restart": 1}, r"1 is not of type bool"),
    ],
)
def test_content_that_is_no_policy_is_refused(content: object, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        read(content, Policy)


@pytest.mark.parametrize("number", [-1, "0", 0.0, True])
@pytest.mark.parametrize("setting", ["seed", "iterations", "batch", "evaluate_every"])
def test_a_run_counts_in_whole_numbers(setting: str, number: object) -> None:
    with pytest.raises(ValueError, match=rf"{setting} is {number!r}; give a whole number, [01] or more$"):
        replace(RUN, **{setting: number})  # type: ignore[arg-type]
