"""The driver on notebooks made up for the purpose, and the command line before it."""

import importlib.util
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from records import record, seeds

from lab import experiments, paths
from lab.cli import __main__ as command_line
from lab.cli import reproduce
from lab.cli.reproduce import check_parameters, cleaned, with_block
from lab.data import image_sets
from lab.data.image_sets import DataError
from lab.experiments import CLR_TABLE_2, DECAY_4000, FIXED
from lab.show import glance, tables
from lab.show.pages import DEVIATION_MARKS, README_MARKS, readme_block, results_page, rows_page
from lab.training import device

PARAMETERS = 'profile: str = "published"  # one of four\nseeds: int = 1'


def write_notebook(path: Path, *sources: str, parameters: str = PARAMETERS) -> Path:
    """A notebook with a parameters cell and further code cells, not executed."""
    first = nbformat.v4.new_code_cell(parameters, id="first", metadata={"tags": ["parameters"]})
    others = [nbformat.v4.new_code_cell(source, id=f"c{k}") for k, source in enumerate(sources)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = nbformat.v4.new_notebook(cells=[first, *others], metadata={"kernelspec": kernel})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(book))
    return path


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"profil": "smoke"}, "05_made.ipynb has no parameter 'profil'; it has profile, seeds"),
        ({"profile": 3}, "05_made.ipynb: parameter profile is 3, a int; give a str"),
        ({"profile": "smoke", "seeds": "2"}, "05_made.ipynb: parameter seeds is '2', a str; give a int"),
        ({"seeds": True}, "05_made.ipynb: parameter seeds is True, a bool; give a int"),
    ],
)
def test_a_misspelt_parameter_or_one_of_another_type_is_refused(
    tmp_path: Path, parameters: dict[str, Any], message: str
) -> None:
    source = write_notebook(tmp_path / "05_made.ipynb")
    with pytest.raises((TypeError, ValueError), match=message):
        check_parameters(source, parameters)
    check_parameters(source, {"profile": "smoke", "seeds": 2})


@pytest.mark.slow
@pytest.mark.promise
def test_one_failing_notebook_stops_no_other_and_is_never_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One test for all that needs a kernel, for each takes seconds to start."""
    sources, built = tmp_path / "notebooks", tmp_path / "build" / "smoke" / "notebooks"
    write_notebook(sources / "00_fails.ipynb", "print('so far')", "1 / 0", "print('never')")
    write_notebook(sources / "01_runs.ipynb", "import os\nprint(os.getcwd(), profile, seeds)")
    write_notebook(sources / "02_old.ipynb", parameters="pass")
    monkeypatch.setattr(paths, "NOTEBOOKS", sources)
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    built.mkdir(parents=True)
    for stale in ("00_fails.ipynb", "02_old.ipynb"):
        (built / stale).write_text("a stale result")
    before = {path.name: path.read_bytes() for path in sources.iterdir()}

    with pytest.raises(RuntimeError, match=r"2 of 3 notebooks failed: 00_fails, 02_old; see above why$"):
        reproduce.execute_all("smoke", jobs=2)
    assert sorted(path.name for path in built.iterdir()) == ["00_fails.failed.ipynb", "01_runs.ipynb"]
    assert f"{sources} smoke 1\\n" in (built / "01_runs.ipynb").read_text()
    failed = (built / "00_fails.failed.ipynb").read_text()
    assert '"so far\\n"' in failed and '"never\\n"' not in failed
    assert {path.name: path.read_bytes() for path in sources.iterdir()} == before, "the sources are as they were"
    printed = capsys.readouterr().out
    assert "notebook 00_fails failed: " in printed and "ZeroDivisionError" in printed
    assert "notebook 02_old failed: 02_old.ipynb has no parameter 'profile'" in printed
    assert "01_runs failed" not in printed

    (sources / "01_runs.ipynb").unlink()
    (sources / "02_old.ipynb").unlink()
    with pytest.raises(RuntimeError, match="1 of 1 notebooks failed: 00_fails"):
        reproduce.execute_all("smoke")
    assert not (built / "00_fails.ipynb").exists()

    content = json.loads(cleaned(built / "01_runs.ipynb"))
    executed = json.loads((built / "01_runs.ipynb").read_text())
    assert "papermill" in executed["metadata"] and "papermill" not in json.dumps(content)


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook as papermill leaves it."""
    write_notebook(path, "print(1)", "2")
    book = nbformat.read(path, as_version=4)
    timing = {"start_time": "2026-01-01T00:00:00", "duration": 1.5, "status": "completed"}
    book.metadata["papermill"] = {**timing, "input_path": "/somewhere/else.ipynb"}
    book.metadata["widgets"] = {"state": {}}
    book.metadata["language_info"] = {"name": "python", "version": "3.11.7", "file_extension": ".py"}
    for count, cell in enumerate(book.cells, start=1):
        cell.execution_count = count
        cell.metadata.update(papermill=timing, execution={"iopub.status.busy": "2026"})
        cell.metadata.setdefault("tags", [])
    book.cells[1].metadata["jupyter"] = {"source_hidden": True}
    book.cells[1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    picture = {"image/png": {"alt": "a curve"}}
    shown = {"image/png": "aGk=", "application/vnd.jupyter.widget-view+json": {"model_id": "1f0"}}
    book.cells[2].outputs = [nbformat.v4.new_output("display_data", shown, metadata=picture)]
    path.write_text(nbformat.writes(book))
    return book


def test_cleaning_takes_timings_and_widgets_and_leaves_the_rest(tmp_path: Path) -> None:
    book = executed(tmp_path / "made.ipynb")
    text = cleaned(tmp_path / "made.ipynb")
    clean = json.loads(text)
    assert text.endswith("}\n") and not text.endswith("\n\n")
    assert clean["metadata"] == {"kernelspec": book.metadata["kernelspec"], "language_info": {"name": "python"}}
    assert [cell["metadata"] for cell in clean["cells"]] == [
        {"tags": ["parameters"]},
        {"jupyter": {"source_hidden": True}},
        {},
    ]
    (output,) = clean["cells"][2]["outputs"]
    assert output["data"] == {"image/png": "aGk="}, "the picture of a widget, whose kernel is gone"
    assert output["metadata"] == {"image/png": {"alt": "a curve"}}
    for part in ("id", "execution_count", "source"):
        before = [cell[part] for cell in json.loads((tmp_path / "made.ipynb").read_text())["cells"]]
        assert [cell[part] for cell in clean["cells"]] == before
    (tmp_path / "again.ipynb").write_text(text)
    assert cleaned(tmp_path / "again.ipynb") == text
    nbformat.validate(nbformat.reads(text, as_version=4))


def test_results_are_replaced_between_the_marks_and_nowhere_else() -> None:
    begin, end = README_MARKS
    text = f"# Title\n\n{begin}\nold\n\nlines\n{end}\n\nThe end, with {begin[5:12]} in it.\n"
    assert with_block(text, README_MARKS, "| new |") == text.replace("old\n\nlines", "| new |")


BEGIN, END = README_MARKS


@pytest.mark.parametrize("text", ["no marks", BEGIN, f"{BEGIN}\n{BEGIN}\n{END}", f"{END}\nswapped\n{BEGIN}"])
def test_results_without_their_marks_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"the page must have the marks .* once each, in this order; put them back"):
        with_block(text, README_MARKS, "block")


def test_publishing_writes_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(reproduce.store, "load_all", lambda folder: [])
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    (tmp_path / "REPRODUCTION.md").write_text("\n".join((*glance.MARKS, *DEVIATION_MARKS)))
    reproduce.write_tables()
    assert (tmp_path / "README.md").read_text() == f"before\n{BEGIN}\n{readme_block([])}\n{END}\nafter\n"
    assert (tmp_path / "results" / "README.md").read_text() == results_page([], [])
    assert (tmp_path / "results" / "claims.csv").read_text() == tables.claims_csv([])
    assert (tmp_path / "docs" / "rows.md").read_text() == rows_page()


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "pick_device", lambda: device.torch.device("cpu"))
    monkeypatch.setattr(image_sets, "find", lambda: True)  # else profile quick is smoke, which is said first
    for name in ("MAKELEVEL", "CLRLIB_DATA", "CLRLIB_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


def raising(error: BaseException) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("kind", [DataError, ValueError, RuntimeError, OSError])
def test_an_error_is_one_sentence_and_exit_code_1(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "train", raising(kind("seeds is 0; give 1 or more")))
    assert command_line.main(["train"]) == 1
    assert capsys.readouterr() == ("", "error: seeds is 0; give 1 or more\n")


@pytest.mark.usefixtures("on_cpu")
def test_a_defect_is_not_dressed_up_as_a_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "train", raising(AttributeError("a defect")))
    with pytest.raises(AttributeError, match="a defect"):
        command_line.main(["train"])


@pytest.mark.usefixtures("on_cpu")
def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(reproduce, "train", raising(KeyboardInterrupt()))
    assert command_line.main(["train"]) == 130
    assert capsys.readouterr() == ("", "\nstopped; the same command goes on from here\n")


@pytest.fixture
def calls(on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The calls of reproduce's functions, with the names of the rows and CLRLIB_DATA; CIFAR-10 is at hand."""
    monkeypatch.setattr(image_sets, "find", lambda: (None, paths.DATA))
    seen: list[tuple[Any, ...]] = []
    for name in ("train", "reproduce", "execute_all", "draw_published", "write_tables", "publish"):
        monkeypatch.setattr(
            reproduce,
            name,
            lambda *given, name=name, rows=experiments.CATALOGUE, cluster=None: seen.append(
                (name, *given, *(row.name for row in rows if len(rows) < 9), os.environ.get("CLRLIB_DATA"))
            ),
        )
    return seen


@pytest.mark.parametrize(
    ("named", "seen"),
    [("here/cifar", "{cwd}/here/cifar"), ("/data/cifar", "/data/cifar"), ("digits", "digits"), ("", "")],
)
def test_a_relative_data_folder_is_made_absolute(
    named: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[Any, ...]]
) -> None:
    """The notebooks run in another folder than the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLRLIB_DATA", named)
    assert command_line.main(["train", "--profile", "smoke"]) == 0
    assert calls == [("train", "smoke", 1, None, None, seen.format(cwd=tmp_path.resolve()))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train --budget 25m", [("train", "quick", 1, None, 1500.0)]),
        ("train --profile auto --seeds 3 --jobs 2", [("train", "quick", 3, 2, None)]),
        ("reproduce --profile paper --jobs auto", [("reproduce", "paper", 1, None, None)]),
        ("notebooks --profile smoke", [("execute_all", "smoke")]),
        ("figures", [("draw_published",), ("write_tables",)]),
        ("publish --profile paper --seeds 2 --jobs 1 --budget 90s", [("publish", 2, 1, 90.0)]),
        ("publish --rows exp,fixed", [("publish", 1, None, None, "fixed", "exp")]),
        ("reproduce --rows exp", [("reproduce", "quick", 1, None, None, "exp")]),
    ],
)
def test_each_command_calls_its_own(line: str, expected: list[tuple[Any, ...]], calls: list[tuple[Any, ...]]) -> None:
    assert command_line.main(line.split()) == 0
    assert calls == [(*call, None) for call in expected]


def test_quick_without_cifar_10_is_smoke(
    calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which ends in minutes; another profile waits for its data."""
    for line in ("reproduce --profile quick", "train --profile paper"):
        monkeypatch.setattr(image_sets, "find", lambda: None)
        assert command_line.main(line.split()) == 0
    monkeypatch.setattr(image_sets, "find", lambda: pytest.fail("it was looked for, though the digits were asked for"))
    monkeypatch.setenv("CLRLIB_DATA", "digits")
    assert command_line.main(["reproduce", "--profile", "quick"]) == 0
    assert [call[:2] for call in calls] == [("reproduce", "smoke"), ("train", "paper"), ("reproduce", "smoke")]
    assert capsys.readouterr().out.count("profile quick is smoke: small trainings on the digits") == 2


@pytest.fixture
def headline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The records that are there when one ends; a figure is a few bytes."""
    there: list[Any] = []
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setattr(reproduce.store, "load_all", lambda folder: there)
    monkeypatch.setattr(reproduce.plots, "encoded", lambda figure, kind: b"drawn")
    return there


def test_the_headline_is_shown_as_soon_as_both_its_sides_are_there(headline: list[Any], tmp_path: Path) -> None:
    said: list[str] = []
    drawn = tmp_path / "quick" / "figures" / "05_fixed_vs_cyclical.png"
    for row, accuracy, lines in ((FIXED, 81.0, 0), (DECAY_4000, 70.0, 0), (CLR_TABLE_2, 80.0, 2)):
        ended = record(row, accuracy, profile="quick")
        headline.append(ended)
        reproduce.show_headline("quick", ended, said.append)
        assert len(said) == lines and drawn.exists() == bool(lines)
    assert said[0].startswith(
        "the headline is there: CLR (25,000) is as good as the fixed schedule (70,000): -1.0 points"
    )
    assert said[1] == f"its figure: {drawn.as_uri()}"


def test_the_library_alone_says_what_the_lab_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As installed without the lab's dependencies: joblib and all else."""
    spec = importlib.util.find_spec("lab.cli.__main__")
    assert spec is not None and spec.loader is not None
    monkeypatch.setitem(sys.modules, "lab.errors", None)
    with pytest.raises(SystemExit, match=r"error: the lab needs lab\.errors too, .*; call `make setup`"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_auto_is_the_papers_size_with_five_seeds_on_a_gpu(
    calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "pick_device", lambda: device.torch.device("cuda"))
    for line in ("reproduce", "reproduce --seeds 2", "reproduce --profile quick"):
        assert command_line.main(line.split()) == 0
    assert [call[1:3] for call in calls] == [("paper", 5), ("paper", 2), ("quick", 1)]


def test_all_kinds_of_images_are_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one budget and one bar; as many at a time as the memory is enough for, by kind."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(reproduce.sweep, "train_missing", lambda *given: calls.append(given))
    monkeypatch.setattr(reproduce.sweep, "default_jobs", lambda where, kind: 2 if kind == "imagenette" else 4)
    kinds = {"cifar10": "cifar10", "imagenette": "imagenette-128", "cifar100": "cifar100"}
    monkeypatch.setattr(reproduce.notebook, "data_for", lambda profile: kinds)
    reproduce.train("paper", 1, None, budget=60.0)
    reproduce.train("paper", 1, 3)
    (runs, _, by_itself, budget, *_), (_, _, given, *_) = calls
    assert {run.data for run in runs} == set(kinds.values()) and budget == 60.0
    assert by_itself == {"cifar10": 4, "imagenette-128": 2, "cifar100": 4}
    assert set(given.values()) == {3}


def test_what_killed_ones_left_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every file that is written for others to see; nothing else is touched."""
    for name in ("BUILD", "RESULTS", "FIGURES", "NOTEBOOKS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(reproduce.store, "load_all", lambda folder: [])
    monkeypatch.setattr(reproduce.figures, "draw_all", lambda *_: None)
    monkeypatch.setattr(reproduce, "write_tables", lambda: None)
    built = tmp_path / "build" / "published"
    folders = [built / "notebooks", built / "figures", *(tmp_path / name for name in ("figures", "notebooks"))]
    left = [
        folder / ".a.b.tmp"
        for folder in (*folders, tmp_path / "results", tmp_path / "results" / "quick", tmp_path / "results" / "laptop")
    ]
    left += [
        built / ".report.html.b.tmp",
        *(tmp_path / name for name in (".README.md.b.tmp", ".REPRODUCTION.md.b.tmp", "docs/.rows.md.b.tmp")),
    ]
    others = [tmp_path / ".mine.tmp", tmp_path / "figures" / "a.png"]
    for path in (*left, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    reproduce.publish_finished()
    assert [path for path in (*left, *others) if path.exists()] == others


@pytest.mark.parametrize(("precision", "warns"), [("float32", True), ("bfloat16", False)])
def test_publish_says_first_that_another_precision_will_not_stand_in_the_table(
    precision: str, warns: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = [replace(record, run=replace(record.run, precision="bfloat16")) for record in seeds(FIXED, 80.0)]
    monkeypatch.setattr(reproduce.store, "load_all", lambda folder: published)
    monkeypatch.setenv("CLRLIB_PRECISION", precision)
    monkeypatch.setattr(reproduce.provenance, "fault", lambda commit: None)
    monkeypatch.setattr(reproduce, "train", lambda *_: print("trains"))
    monkeypatch.setattr(reproduce, "publish_finished", lambda: None)
    reproduce.publish(seeds=1, jobs=1)
    said = "these trainings are in float32, the published ones in bfloat16: the table of claims will not show them; "
    first = capsys.readouterr().out.splitlines()[0]
    assert first == (f"{said}PRECISION=bfloat16 trains them alike" if warns else "trains")


@pytest.mark.parametrize(("named", "warns"), [("/data", True), ("digits", False), ("", False)])
def test_smoke_says_that_it_does_not_take_the_data_that_are_named(
    named: str, warns: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLRLIB_DATA", named)
    monkeypatch.setattr(reproduce.sweep, "train_missing", lambda *_: None)
    reproduce.train("smoke", 1, 1)
    said = "profile smoke always trains on the digits, not on what DATA or CLRLIB_DATA names\n"
    assert (said in capsys.readouterr().out) == warns
