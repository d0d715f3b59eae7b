"""The schedules page computes what clrlib computes: the same rates, lines of Python and refusals."""

import ast
import importlib.util
import inspect
import json
import math
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import clrlib
from clrlib import Policy
from lab import paths

FILES = [paths.ROOT / "book" / "static" / name for name in ("checks.js", "policies.js")]
ASK = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const answer = ([name, given, times]) => {
  const texts = { ...begin(name), ...given };
  try {
    const policy = clrPolicies.make(name, texts);
    return { line: policy.line, rates: times.map(policy.rate) };
  } catch (error) {
    if (!(error instanceof ClrRefusal)) throw error;
    return { refusal: error.message };
  }
};
const fields = (name) => Object.entries(clrPolicies.POLICIES[name].fields);
const begin = (name) => Object.fromEntries(fields(name).map(([field, [, text]]) => [field, text]));
const known = Object.fromEntries(Object.keys(clrPolicies.POLICIES).map((name) => [name, begin(name)]));
console.log(JSON.stringify({ known, answers: cases.map(answer), floats: FLOATS.map(clrFloat) }));
"""
FLOATS = [0.0, 1.0, -1.0, 0.1, 1e-4, 9.9e-5, 1e-5, 1.5e-300, 123456.789, 1e15, 1e16, 1.25e22, 2**53 + 2.0, 5e-324]
COMPOSED = {"Stages", "Repeat", "Function"}  # of policies or functions, which are no numbers to drag
FAR = [0, 1, 999, 1000, 1999, 2000, 2001, 3999, 4000, 7999, 8000, 12_345, 15_999, 16_000, 99_999, 10**7]


@pytest.fixture(scope="module")
def engine() -> str:
    """A JavaScript engine: the system's Node.js, or the one that comes with playwright."""
    found = shutil.which("node")
    if found is None and (spec := importlib.util.find_spec("playwright")) is not None and spec.origin is not None:
        found = shutil.which("node", path=Path(spec.origin).parent / "driver")
    if found is None:
        pytest.skip("there is no JavaScript engine here; install Node.js, or call make book, which brings one")
    return found


def ask(engine: str, cases: list[tuple[str, dict[str, str], list[int]]]) -> Any:
    """What the page makes of each case: a policy, what was typed over its first values, iterations."""
    source = "\n".join([*(path.read_text() for path in FILES), f"const FLOATS = {json.dumps(FLOATS)};", ASK])
    done = subprocess.run([engine, "-e", source], input=json.dumps(cases), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def plain(line: str) -> Policy:
    """The policy that a line of Python makes."""
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    arguments = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
    made = getattr(clrlib, call.func.id)(**arguments)
    assert isinstance(made, Policy)
    return made


def drawn(name: str, fields: dict[str, str], draw: random.Random) -> dict[str, str]:
    """Values for a policy's fields that it takes, as a reader may type them."""
    if "initial_lr" in fields:
        peak, back, end = sorted(draw.sample(range(20_000), 3))
        rates = {field: repr(draw.uniform(0, 1)) for field in ("initial_lr", "max_lr", "final_lr")}
        turns = {"peak": str(peak), "back": draw.choice(["", str(back)]), "end": f"{end}.5"}
        return {**rates, **turns, "anneal": draw.choice(["cos", "linear"])}
    low, high = sorted(10 ** draw.uniform(-6, 1) for _ in range(2))
    counts = ("step_size", "step_size_up", "step_size_down", "cycle", "steps")
    times = [0, *sorted(draw.sample(range(1, 30_000), 4))]
    values = {
        "base_lr": draw.choice(["0", repr(low)]),
        "max_lr": repr(high),
        "lr": repr(high),
        "growth": str(draw.randint(1, 4)),
        "shrink": repr(draw.uniform(0.1, 1)),
        "gamma": repr(draw.uniform(0.9, 1)),
        "decay": draw.choice(["bounds", "amplitude"]),
        "milestones": ", ".join(map(str, times[1:])),
        "knots": ", ".join(f"({t}, {10 ** draw.uniform(-6, 1)!r})" for t in times),
        **{count: str(draw.randint(1, 20_000)) for count in counts},
    }
    return {field: values[field] for field in fields}


def test_the_page_has_every_policy_that_is_made_of_numbers_with_its_fields_in_order(engine: str) -> None:
    kinds = {n: k for n, k in vars(clrlib).items() if inspect.isclass(k) and issubclass(k, Policy)}
    ours = {name: [*inspect.signature(kind).parameters] for name, kind in kinds.items()}
    known = ask(engine, [])["known"]
    wanted = set(ours) - COMPOSED - {"Policy", "Cyclical"}
    assert {name: [*fields] for name, fields in known.items()} == {name: ours[name] for name in wanted}


def test_rates_and_lines_are_those_of_the_library(engine: str) -> None:
    """To 1e-12 of the rate; where a cosine ends at 0, to 1e-15 of the highest rate, what its own rounding leaves."""
    known = ask(engine, [])["known"]
    draw = random.Random(0)
    cases = []
    for name, fields in known.items():
        times = FAR + [draw.randrange(200_000) for _ in range(300)]
        cases += [(name, {}, times), *((name, drawn(name, fields, draw), times) for _ in range(12))]
    answers = ask(engine, cases)["answers"]
    assert len(answers) > 150
    for (name, given, times), answer in zip(cases, answers, strict=True):
        policy = plain(answer["line"])
        assert repr(policy) == answer["line"], (name, given)
        expected = [policy(t) for t in times]
        assert answer["rates"] == pytest.approx(expected, rel=1e-12, abs=1e-15 * max(expected)), answer["line"]


def test_what_is_typed_is_what_python_reads(engine: str) -> None:
    typed = ["0.5", "5e-1", ".5", "1_0e-2", " 0.25 ", "1", "0"]
    answers = ask(engine, [("Fixed", {"lr": text}, [0]) for text in typed])["answers"]
    assert [answer["rates"] for answer in answers] == [[float(text)] for text in typed]


def test_floats_are_printed_as_python_prints_them(engine: str) -> None:
    assert ask(engine, [])["floats"] == [repr(x) for x in FLOATS]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("Triangular", {"base_lr": 0.01}),
    ("Triangular", {"base_lr": -1}),
    ("Triangular", {"max_lr": "fast"}),
    ("Triangular", {"max_lr": math.inf}),
    ("Triangular", {"max_lr": math.nan}),
    ("Hann", {"step_size": 0}),
    ("Welch", {"step_size": 2000.5}),
    ("Triangular2", {"step_size": 2**53}),
    ("ExpRange", {"gamma": 1.5}),
    ("ExpRange", {"gamma": 0}),
    ("UpDown", {"shrink": -0.5}),
    ("UpDown", {"step_size_down": 0.0001}),
    ("WarmRestarts", {"growth": 0}),
    ("WarmRestarts", {"max_lr": 0.0001}),
    ("LinearDecay", {"steps": -3}),
    ("OneCycle", {"peak": 17_000}),
    ("OneCycle", {"peak": -2}),
    ("OneCycle", {"back": 5000}),
    ("OneCycle", {"back": "soon"}),
    ("MultiStep", {"milestones": (4000, 4000)}),
    ("MultiStep", {"milestones": (0,)}),
    ("MultiStep", {"milestones": (1.5, 4000)}),
    ("MultiStep", {"milestones": (9000, "later")}),
    ("PiecewiseLinear", {"knots": ((5, 0.1), (10, 0.2))}),
    ("PiecewiseLinear", {"knots": ((0, 0.1), (0, 0.2))}),
    ("PiecewiseLinear", {"knots": ((0, 0.1), (10, -0.2))}),
    ("PiecewiseLinear", {"knots": "(0, 0.1), 10"}),
    ("PiecewiseLinear", {"knots": ()}),
    ("Fixed", {"lr": -1e-5}),
]


def test_what_the_library_refuses_the_page_refuses_in_the_same_words(engine: str) -> None:
    def text(value: Any) -> str:
        return str(value).replace("'", "")

    cases = [(name, {k: text(v) for k, v in given.items()}, [0]) for name, given in REFUSED]
    beginnings = ask(engine, [(name, {}, [0]) for name, _ in REFUSED])["answers"]
    for (name, given), begin, answer in zip(REFUSED, beginnings, ask(engine, cases)["answers"], strict=True):
        policy = plain(begin["line"])
        with pytest.raises((TypeError, ValueError)) as refused:
            type(policy)(**{**vars(policy), **given})
        assert answer.get("refusal") == str(refused.value), (name, given)
