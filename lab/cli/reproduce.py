"""The reproduction: data, training, notebooks by papermill, figures and the closing table."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import torch

from lab import claims, experiments, files, paths
from lab.data import image_sets
from lab.experiments import CLR_TABLE_2, FIXED, Experiment
from lab.lines import Say, duration
from lab.records import provenance, store
from lab.records.record import Record
from lab.show import figures, notebook, pages, plots, report, tables
from lab.sweep import processes, sweep
from lab.training import device

if TYPE_CHECKING:
    from lab.sweep.dask import Cluster

KERNEL = "python3"
WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS_A_NOTEBOOK = 8  # on a core of its own, roughly: for the time that is said before anything is trained
PUBLISHED = {"paper": "published", "quick": "published quick", "laptop": "published laptop"}  # by profile


def for_the_data(profile: str) -> str:
    """The profile that the data at hand allow: smoke in place of quick without CIFAR-10, so that it ends in minutes."""
    if profile != "quick" or (os.environ.get("CLRLIB_DATA") != "digits" and image_sets.find()):
        return profile
    print("without CIFAR-10 profile quick is smoke: small trainings on the digits, which say nothing about the paper")
    return "smoke"


def train(
    profile: str,
    seeds: int,
    jobs: int | None,
    budget: float | None = None,
    rows: Sequence[Experiment] = experiments.CATALOGUE,
    cluster: "Cluster | None" = None,
    ended: sweep.Ended = sweep.nothing,
) -> set[str]:
    """Train the missing runs of a profile, or of some of its rows; returns the names of the data sets.

    budget: seconds after which it stops; the next call resumes. cluster: trains instead of this machine. ended: called
    with each record as its run ends.
    """
    device.check_memory(2**28 if profile == "smoke" else sweep.BYTES_A_RUN // 2)
    processes.here().by_the_first(partial(store.check, paths.records(profile)))
    names = notebook.data_for(profile)
    if any(name in experiments.FOLDER_COPIES for name in names.values()):
        print(
            "this copy of CIFAR-10 stands class by class: its runs are shuffled once a seed, order='once'", flush=True
        )
    if profile == "smoke" and os.environ.get("CLRLIB_DATA", "digits") not in ("", "digits"):
        print("profile smoke always trains on the digits, not on what DATA or CLRLIB_DATA names")
    if waiting := _waiting(profile, rows):
        print(f"left out until `make choose` has read their rates: {', '.join(waiting)}", flush=True)
    where = cluster.machine() if cluster else device.pick_device()
    runs = experiments.runs(profile, names, device.pick_precision(), seeds, rows)
    at_a_time = {name: jobs or sweep.default_jobs(where, kind) for kind, name in names.items()}
    # smoke takes no longer than to measure it would; on a GPU measuring would compile every net
    forecast = profile != "smoke" and where.type == "cpu" and not cluster and processes.here().size == 1
    sweep.train_missing(runs, paths.records(profile), at_a_time, budget, cluster, forecast, ended)
    return set(names.values())


def _waiting(profile: str, rows: Sequence[Experiment]) -> list[str]:
    """The names of the rows that are left out because their rates are not chosen yet."""
    if {row.name for row in rows} < {row.name for row in experiments.CATALOGUE}:
        return []  # some rows were asked for, and none that waits
    tuned = () if experiments.CONTROL_TUNED or profile != "paper" else experiments.TUNED_NAMES
    return [*tuned, *(row.name for row in experiments.WAITING if profile in row.shorter)]


def reproduce(
    profile: str,
    seeds: int,
    jobs: int | None,
    budget: float | None = None,
    rows: Sequence[Experiment] = experiments.CATALOGUE,
    cluster: "Cluster | None" = None,
) -> None:
    """Train what is missing, execute all notebooks, draw the figures, print paper, published and yours side by side.

    The same table, with the figures, goes into build/<profile>/report.html.

    The headline's figure and sentence are there as soon as its runs are. budget: seconds after which the training
    stops; the notebooks then show the finished runs. rows, cluster: as for train.
    """
    beside = sweep.default_jobs(torch.device("cpu"))
    count = len([*paths.NOTEBOOKS.glob("*.ipynb")])
    then = duration(count * SECONDS_A_NOTEBOOK / beside)
    print(f"profile {profile}: first the runs, then {count} notebooks, figures and the report ({then})", flush=True)
    ended = sweep.nothing if profile == "smoke" else partial(show_headline, profile)  # of smoke it says nothing
    data = train(profile, seeds, jobs, budget, rows, cluster, ended)
    yours = [r for r in store.load_all(paths.records(profile)) if r.run.data in data]
    with showing(profile):
        execute_all(profile, train_missing=False, jobs=beside)  # the notebooks train nothing that was left out
        figures.draw_all(yours, paths.figures(profile))
        if profile != "smoke":  # tests leave the published figures alone
            draw_published()
        published = store.load_all(paths.records(PUBLISHED.get(profile, "published")))
        written = report.write(profile, published, yours)
    print(f"\n{tables.of(tables.comparison(published, yours))}\n")
    print(report.NOT_RUN)
    print(f"published: {tables.measured_on(published)}\nyours: {tables.measured_on(yours)}")
    print(f"notebooks and figures: {paths.shown(written.parent)}/")
    print(f"\n{claims.sentence(claims.AS_GOOD, yours)}\nAll of it on one page: {written.as_uri()}")


def show_headline(profile: str, record: Record, say: Say) -> None:
    """Draw the headline's figure and say what came out, as soon as both of its sides have a seed in common.

    record: what has just ended. say: prints a line.
    """
    names = {FIXED.name, CLR_TABLE_2.name}
    if record.run.experiment not in names:
        return
    there = [r for r in store.load_all(paths.records(profile)) if r.run.experiment in names]
    if not claims.AS_GOOD.measured(claims.main_group(there)):
        return
    figure, _ = figures.fixed_vs_cyclical(there)
    drawn = paths.figure("05_fixed_vs_cyclical", "png", paths.figures(profile))
    files.write_atomically(drawn, plots.encoded(figure, "png"))
    say(f"the headline is there: {claims.sentence(claims.AS_GOOD, there)}")
    say(f"its figure: {drawn.as_uri()}")


@contextmanager
def showing(profile: str) -> Iterator[None]:
    """Hold the lock on a profile's notebooks and figures, and delete temporary files that killed processes left."""
    report, notebooks = paths.report(profile), paths.notebooks(profile)
    with files.alone(paths.lock("show", notebooks), f"writing notebooks and figures to {paths.shown(report.parent)}/"):
        files.clear_remains(report.parent, report.name)
        for folder in (notebooks, paths.figures(profile)):
            files.clear_remains(folder)
        yield


def execute_all(profile: str, train_missing: bool = True, jobs: int = 1) -> None:
    """Execute every notebook into build/<profile>/notebooks/. Raises RuntimeError at the end if any failed.

    train_missing: passed to the notebooks that have this parameter. jobs: notebooks side by side, each in a process of
    its own: papermill changes the folder that its process is in.
    """
    sources, failed, started = sorted(paths.NOTEBOOKS.glob("*.ipynb")), [], time.monotonic()
    jobs = max(1, min(jobs, len(sources)))
    print(f"executing {len(sources)} notebooks, {jobs} at a time", flush=True)
    work = (joblib.delayed(_execute)(s, paths.notebooks(profile) / s.name, profile, train_missing) for s in sources)
    ended = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")(work)
    for k, (source, error) in enumerate(ended, start=1):
        if error:
            failed.append(source.stem)
        left = duration((time.monotonic() - started) / k * (len(sources) - k))
        print(f"notebook {source.stem} {f'failed: {error}' if error else 'is done'}; {left} left", flush=True)
    if failed:
        names = ", ".join(sorted(failed))
        raise RuntimeError(f"{len(failed)} of {len(sources)} notebooks failed: {names}; see above why")


def _execute(source: Path, target: Path, profile: str, train_missing: bool) -> tuple[Path, str]:
    """Execute a notebook; return it with what went wrong, if anything did."""
    try:
        more = {"train_missing": train_missing} if "train_missing" in known(source) else {}
        execute(source, target, {"profile": profile, **more})
    except Exception as error:  # whatever a notebook does, the others still run; the target fails at the end
        return source, str(error) or type(error).__name__
    return source, ""


def execute(source: Path, target: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook with papermill into target, which is written only if every cell ran.

    A failed notebook is kept beside it as <name>.failed.ipynb. Raises ValueError for a parameter that the notebook
    does not have, TypeError for a value of another type than the notebook declares.
    """
    import papermill  # here, as nbformat below: what they bring takes as long to import as torch

    target.unlink(missing_ok=True)  # a stale result must not pass for this one's
    check_parameters(source, parameters)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".failed.ipynb")
    papermill.execute_notebook(
        source,
        partial,
        parameters=dict(parameters),
        kernel_name=KERNEL,
        cwd=source.parent,
        progress_bar=False,
        start_timeout=120,
        extra_arguments=["--log-level=CRITICAL"],  # the kernel's own chatter, not the notebook's output
    )
    partial.replace(target)


def known(source: Path) -> dict[str, str]:
    """The parameters of a notebook, each with the name of its type."""
    import papermill

    return {name: about["inferred_type_name"] for name, about in papermill.inspect_notebook(source).items()}


def check_parameters(source: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse a misspelt name or a value of another type, which papermill would accept."""
    there = known(source)
    for name, value in parameters.items():
        if name not in there:
            raise ValueError(f"{source.name} has no parameter {name!r}; it has {', '.join(there) or 'none'}")
        wanted = there[name]
        if type(value).__name__ != wanted:
            raise TypeError(f"{source.name}: parameter {name} is {value!r}, a {type(value).__name__}; give a {wanted}")


def draw_published() -> None:
    """Redraw figures/ from results/. One process at a time does so, whatever its profile."""
    records, short = (store.load_all(paths.records(place)) for place in ("published", "published quick"))
    with files.alone(paths.lock("figures", paths.figures("published")), f"drawing {paths.shown(paths.FIGURES)}/"):
        files.clear_remains(paths.FIGURES)
        figures.draw_all(records, paths.FIGURES, short)


def publish(
    seeds: int,
    jobs: int | None,
    budget: float | None = None,
    rows: Sequence[Experiment] = experiments.CATALOGUE,
    cluster: "Cluster | None" = None,
) -> None:
    """Train what is missing, as far as the budget goes (seconds), then publish what is finished.

    The headline comes first, then the profiles quick and laptop, then the rest. Publishes the records, table,
    figures, README and executed notebooks. cluster: as for train.
    """
    _refuse_unclean()
    _say_if_apart(device.pick_precision())
    until = None if budget is None else time.monotonic() + budget
    headline = [row for row in rows if row in experiments.HEADLINE_FIRST]
    parts = (("paper", seeds, headline), ("quick", 1, rows), ("laptop", 1, rows), ("paper", seeds, rows))
    for profile, some, part in parts:
        train(profile, some, jobs, until and max(1.0, until - time.monotonic()), part, cluster)
    publish_finished()


def _refuse_unclean() -> None:
    """Refuse, before hours of training, what could not be published afterwards."""
    if why := provenance.fault(provenance.git()):
        raise ValueError(f"a record of this code could not be published: it {why}; commit the changes first")


def _say_if_apart(precision: str) -> None:
    """Warn, before hours of training, that the table of claims will not show them: it takes a single precision."""
    published = {r.run.precision for r in claims.main_group(store.load_all(paths.records("published")))}
    if published and precision not in published:
        other = min(published)
        what = f"these trainings are in {precision}, the published ones in {other}"
        print(f"{what}: the table of claims will not show them; PRECISION={other} trains them alike", flush=True)


def publish_finished() -> None:
    """Publish the records now in build/paper/, quick/ and laptop/, except those on digits or the user's own images.

    Raises ValueError, and writes nothing, if one was made by code that is not in this branch's history.
    """
    with showing("published"):
        _publish_finished()


def _to_publish() -> list[tuple[str, Record]]:
    """The finished records, each with its place in results/. Raises ValueError for one of another branch's commit."""
    finished = []
    for profile, place in PUBLISHED.items():
        records = (r for r in store.load_all(paths.records(profile)) if not r.run.data.startswith(("digits", "own")))
        finished += [(place, record) for record in records]
    for _, record in finished:
        for commit in record.commits:
            if why := provenance.fault(commit):
                folder = paths.shown(paths.records(record.run.profile))
                raise ValueError(f"{record.run.name} {why}; move it out of {folder}/ and train it with committed code")
    return finished


def _publish_finished() -> None:
    finished = _to_publish()  # first: nothing is written where one of them is refused
    for folder in (*map(paths.records, PUBLISHED.values()), paths.NOTEBOOKS):
        files.clear_remains(folder)
    for page in map(paths.page, ("README.md", "REPRODUCTION.md", "docs/rows.md")):
        files.clear_remains(page.parent, page.name)
    for place, record in finished:
        # the file as it is: a published record never changes
        made, to = (paths.record(record.run.name, paths.records(p)) for p in (record.run.profile, place))
        files.write_atomically(to, made.read_bytes())
    draw_published()
    write_tables()
    for source in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        executed = paths.notebooks("published") / source.name
        execute(source, executed, {})
        files.write_atomically(source, cleaned(executed).encode())


def write_tables() -> None:
    """Write the pages, or the generated parts of pages, that show the records or the catalogue."""
    places = ("published", "published quick", "published laptop", "published jpeg")
    records, quick, laptop, copy = (store.load_all(paths.records(place)) for place in places)
    files.write_atomically(paths.results_page(), pages.results_page(records, quick).encode())
    files.write_atomically(paths.claims_table(), tables.claims_csv(records).encode())
    files.write_atomically(paths.page("docs/rows.md"), pages.rows_page().encode())
    for name, marks, block in pages.blocks(records, [*quick, *laptop], copy):
        page = paths.page(name)
        files.write_atomically(page, with_block(page.read_text(), marks, block).encode())


def with_block(text: str, marks: tuple[str, str], block: str) -> str:
    """Replace the text between two marks. Raises ValueError unless it has both marks, in order."""
    begin, end = marks
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the page must have the marks {begin} and {end} once each, in this order; put them back")
    return f"{text.split(begin)[0]}{begin}\n{block}\n{end}{text.split(end)[1]}"


def cleaned(path: Path) -> str:
    """An executed notebook without metadata that changes at each run, such as timings and the kernel's version.

    Tags stay, and so does "jupyter", which folds a cell in JupyterLab as the tag hide-input does in the book.
    """
    import nbformat

    book: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    book.metadata = {"kernelspec": book.metadata["kernelspec"], "language_info": {"name": "python"}}
    for cell in book.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "jupyter") if cell.metadata.get(key)}
        cell.metadata.clear()
        cell.metadata.update(kept)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)  # it needs the kernel that ran; the picture beside it stays
    return str(nbformat.writes(book)) + "\n"  # type: ignore[no-untyped-call]
