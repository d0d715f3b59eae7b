"""The comparison of finders on a toy task: scores against closed form, records, and contenders that fail."""

import contextlib
import io
import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from clrlib import lr_range_test
from lab import paths
from lab.bench.which_finder import contenders, peers, records, run, scores, show, tasks, training
from lab.bench.which_finder.contenders import Finder
from lab.bench.which_finder.data import Data
from lab.bench.which_finder.records import Record
from lab.bench.which_finder.tasks import SGD, Task
from lab.data import image_sets

START = 2.0


class Weight(nn.Module):
    """One weight w that is the output: with the squared error to 0, a step of SGD is w -> (1 - 2 lr) w."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([[START]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w + 0 * x


def toy_data() -> Data:
    inputs = torch.zeros(40, 1)
    test_targets = torch.tensor([[-1.0], [1.0]] * 4)  # of mean 0, so that R² = -w²
    return Data((inputs, torch.zeros(40, 1)), (inputs[:4], torch.zeros(4, 1)), (inputs[:8], test_targets))


TOY = Task("toy", toy_data, Weight, SGD, iterations=8, batch=4, regression=True)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BENCH", tmp_path)


def made(
    contender: str,
    seed: int,
    metric: float | None,
    rates: tuple[float, ...] = (0.1,),
    task: str = "t",
    chance: float = 0.1,
) -> Record:
    return Record(
        task, seed, contender, rates, None, metric, chance, 1.5, 100, {"torch": "2"}, {"commit": "a", "dirty": False}
    )


# Trainings


@pytest.mark.parametrize("lr", [0.1, 0.25])
def test_a_training_at_a_fixed_rate_against_closed_form(lr: float) -> None:
    w = START * (1 - 2 * lr) ** 8
    assert training.train(TOY, 0, [lr]) == pytest.approx(-(w**2), abs=1e-6)


def test_a_training_between_two_bounds_against_closed_form() -> None:
    rises = [0, 0.5, 1, 0.5, 0, 0.25, 0.5, 0.25]  # triangular2 with a step_size of 2
    w = START * math.prod(1 - 2 * (0.1 + 0.2 * rise) for rise in rises)
    assert training.train(TOY, 0, [0.1, 0.3]) == pytest.approx(-(w**2), abs=1e-6)


def test_a_training_that_diverges_has_no_metric() -> None:
    assert training.train(TOY, 0, [1e30]) is None


def test_a_seed_means_the_same_weights_and_batches() -> None:
    task = tasks.named(["cancer-mlp-sgd"])[0]
    short = replace(task, iterations=4)
    assert training.train(short, 0, [0.1]) == training.train(short, 0, [0.1])
    (first, _), (again, _), (other, _) = task.make(0, 0.1), task.make(0, 0.1), task.make(1, 0.1)
    weights = [next(net.parameters()) for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    batches = [[t for _, t in training.batches(short, seed)] for seed in (0, 0, 1)]
    assert all(map(torch.equal, batches[0], batches[1])) and not all(map(torch.equal, batches[0], batches[2]))


# Tasks


def test_fourteen_tasks_served_development_and_six_did_not() -> None:
    assert (len(tasks.DEVELOPMENT), len(tasks.UNSEEN)) == (14, 6)
    assert len({task.name for task in tasks.ALL}) == 20
    assert all(task.iterations % 4 == 0 for task in tasks.ALL)
    assert tasks.named(["unseen", "digits-linear-sgd"]) == [*tasks.UNSEEN]
    with pytest.raises(ValueError, match="task 'cats' is not known; give one of development, unseen, all, digits-mlp"):
        tasks.named(["cats"])


def test_the_grid_rises_by_half_decades() -> None:
    for task in tasks.ALL:
        assert np.diff(np.log10(task.grid)) == pytest.approx(0.5, abs=1e-3)
    assert (tasks.ALL[0].grid[0], tasks.ALL[0].grid[-1]) == (0.000316, 10.0)
    assert (tasks.ALL[1].grid[0], tasks.ALL[1].grid[-1]) == (0.0001, 1.0)


@pytest.mark.parametrize("name", ["spirals-mlp-adam", "friedman-mlp-momentum", "sequence-transformer-adamw"])
def test_the_parts_of_the_data_share_no_example(name: str) -> None:
    data = tasks.named([name])[0].data()
    parts = [{tuple(row.flatten().tolist()) for row in inputs} for inputs, _ in (data.train, data.heldout, data.test)]
    assert not parts[0] & parts[1] and not parts[1] & parts[2] and not parts[0] & parts[2]
    assert len(parts[1]) == pytest.approx((len(parts[0]) + len(parts[1])) / 10, rel=0.02)


def test_the_answer_of_a_sequence_is_its_most_frequent_letter() -> None:
    letters, answers = tasks.named(["sequence-transformer-adamw"])[0].data().test
    for row, answer in zip(letters[:50].tolist(), answers[:50].tolist(), strict=True):
        assert answer == min(range(6), key=lambda letter: (-row.count(letter), letter))


def test_chance_is_what_a_constant_reaches() -> None:
    task = tasks.named(["cancer-mlp-sgd"])[0]
    (_, labels), (_, asked) = task.data().train, task.data().test
    most = np.bincount(labels.numpy()).argmax()
    assert task.chance() == pytest.approx((asked.numpy() == most).mean())
    outputs, targets = torch.zeros(4, 1), torch.tensor([[-1.0], [1.0], [-2.0], [2.0]])
    assert TOY.metric(outputs, targets) == TOY.chance() == 0
    assert TOY.metric(targets, targets) == 1


@pytest.mark.parametrize("task", tasks.ALL, ids=lambda task: task.name)
def test_each_tasks_model_takes_its_batches(task: Task) -> None:
    if task.name.startswith(("cifar", "animals")) and image_sets.find() is None:
        pytest.skip("CIFAR-10 is not here")
    model, _ = task.make(0, 0.1)
    ((inputs, targets),) = task.heldout()
    assert math.isfinite(task.loss(model(inputs[:4]), targets[:4]).item())


# Scores


def test_regret_is_the_share_of_what_there_is_to_gain() -> None:
    table = [
        *(made("fixed", seed, metric, (0.1,)) for seed, metric in enumerate((0.8, 0.9))),  # the best on the mean
        *(made("fixed", seed, metric, (1.0,)) for seed, metric in enumerate((0.95, 0.7))),  # once the best
        *(made("good", seed, metric) for seed, metric in enumerate((0.8, 0.91))),
        *(made("half", seed, metric) for seed, metric in enumerate((0.425, 0.525))),
        *(made("diverges", seed, metric) for seed, metric in enumerate((None, 0.01))),
    ]
    table = scores.frame(table)
    regrets = {name: group["regret"].tolist() for name, group in table.groupby("contender")}
    gain = 0.85 - 0.1
    assert regrets["good"] == pytest.approx([0, -100 * 0.01 / gain], abs=1e-5)
    assert regrets["half"] == pytest.approx([50, 50])
    assert regrets["diverges"] == pytest.approx([100, 100 * 0.8 / gain], abs=1e-5)
    assert table["best rate"].unique().tolist() == [0.1]
    summary = scores.summary(table)
    assert summary.index.tolist() == ["good", "half", "diverges"]
    assert summary["mean regret (%)"].tolist() == pytest.approx([-100 * 0.005 / gain, 50, 50 + 40 / gain])
    assert summary["nonsense"].tolist() == [0, 2, 2] and summary["nothing"].tolist() == [0, 0, 0]


def test_the_mean_is_over_tasks_each_the_mean_of_its_seeds() -> None:
    table = [made("fixed", seed, 1.0, task=task, chance=0.0) for seed in (0, 1) for task in ("a", "b")]
    table += [
        made("x", k, metric, task=task, chance=0.0) for task, k, metric in (("a", 0, 0.9), ("b", 0, 0.5), ("b", 1, 0.7))
    ]
    row = scores.summary(scores.frame(table)).loc["x"]
    assert (row["mean regret (%)"], row["worst task"], row["asked"]) == pytest.approx((25, 40, 3))


def test_a_seed_whose_grid_is_not_finished_does_not_count() -> None:
    table = [made("fixed", 0, 0.5, (0.1,)), made("fixed", 0, 0.6, (1.0,)), made("fixed", 1, 0.9, (0.1,))]
    assert scores.oracle(table) == (1.0, {0: 0.6})
    table += [made("x", 0, 0.6), made("x", 1, 0.9)]
    assert scores.frame(table)["seed"].tolist() == [0]


def test_a_task_on_which_nothing_can_be_gained_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the best fixed rate reaches 0.1, chance 0.1; nothing can be gained"):
        scores.regret(0.1, best=0.1, oracle=0.1, chance=0.1)
    with pytest.raises(ValueError, match="there is no training at a fixed rate; run the grid first"):
        scores.oracle([made("x", 0, 0.5)])


# Records


def test_records_are_read_as_they_were_written() -> None:
    kept = [made("fixed", 0, 0.5, (0.1,)), made("x", 0, None, ()), made("y", 1, 0.25, (0.1, 0.5))]
    records.write("t", kept)
    assert sorted(records.read("t").values(), key=str) == sorted(kept, key=str)
    assert [*records.read("t")] == ["seed 0, fixed 0.1", "seed 0, x", "seed 1, y"]
    assert records.read("another") == {}


def test_a_file_that_holds_no_records_is_refused() -> None:
    paths.finder_records("t").parent.mkdir()
    paths.finder_records("t").write_text('{"a": {"b": 1}}')
    with pytest.raises(ValueError, match=r"t\.json holds no records of finders .*; delete it and run again"):
        records.read("t")


# Runs


def silent(_: str) -> None:
    pass


def good(task: Task, seed: int) -> dict[str, tuple[float, ...]]:
    _, optimizer = task.make(seed, 0.1)
    for _ in range(3):
        optimizer.step()
    return {"good": (0.25,), "good, both": (0.1, 0.3)}


def raises(_: Task, seed: int) -> dict[str, tuple[float, ...]]:
    raise RuntimeError("an unexpected curve shape")


def test_a_run_makes_what_is_missing_and_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    finders = [Finder(("good", "good, both"), good)]
    run.fill(TOY, [0, 1], finders, say=silent)
    kept = records.read("toy")
    assert len(kept) == 2 * (len(TOY.grid) + 2)
    assert kept["seed 1, good"].metric == training.train(TOY, 1, [0.25])
    assert kept["seed 1, good, both"].metric == training.train(TOY, 1, [0.1, 0.3])
    assert kept["seed 1, good"].steps == 3
    monkeypatch.setattr(run, "train", None)  # nothing is left to train
    run.fill(TOY, [0, 1], finders, say=silent)
    assert records.read("toy") == kept
    run.forget(TOY, ["good"])
    assert kept.keys() - records.read("toy").keys() == {"seed 0, good", "seed 1, good"}


def test_a_run_that_was_stopped_goes_on_from_its_last_record(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[float] = []

    def train(task: Task, seed: int, rates: tuple[float, ...]) -> float:
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(rates[0])
        return 0.5

    monkeypatch.setattr(run, "train", train)
    with pytest.raises(KeyboardInterrupt):
        run.fill(TOY, [0], [], say=silent)
    assert len(records.read("toy")) == 3
    monkeypatch.setattr(run, "train", lambda task, seed, rates: trained.append(rates[0]))
    run.fill(TOY, [0], [], say=silent)
    assert trained == [*TOY.grid]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda task, seed: {"x": (0.0,)}, None),
        (raises, "RuntimeError: an unexpected curve shape"),
        (lambda task, seed: {"x": "no clear answer: too few"}, "no clear answer: too few"),
        (lambda task, seed: {"x": (math.nan,)}, "suggests (nan,)"),
        (lambda task, seed: {"x": (0.1, math.inf)}, "suggests (0.1, inf)"),
    ],
)
def test_a_contender_that_fails_counts_as_nothing_and_a_rate_of_0_as_nonsense(answer, reason) -> None:  # type: ignore[no-untyped-def]
    run.fill(TOY, [0], [Finder(("x",), answer)], say=silent)
    record = records.read("toy")["seed 0, x"]
    assert (record.rates, record.reason, record.metric) == ((0.0,) if reason is None else (), reason, None)
    (row,) = scores.frame([made("fixed", 0, 0.9, task="toy"), record]).to_dict("records")
    assert (row["nothing"], row["nonsense"]) == (reason is not None, reason is None)
    assert row["regret"] == 100


# Contenders


def test_the_usual_rates() -> None:
    rates = {task.name: contenders.usual(task, 0)[contenders.USUAL][0] for task in tasks.ALL}
    usual = {"digits-cnn-adam": 0.001, "wine-mlp-adamw": 0.001, "cancer-mlp-sgd": 0.1, "digits-mlp-momentum": 0.1}
    assert usual.items() <= rates.items()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("finder", contenders.FINDERS, ids=lambda finder: finder.contenders[0])
def test_each_contender_answers_or_says_why_not(finder: Finder) -> None:
    task = tasks.named(["cancer-mlp-sgd"])[0]
    for module in finder.modules:
        pytest.importorskip(module)
    answers = finder.run(task, 0)
    assert {*answers} == {*finder.contenders}
    for rates in answers.values():
        assert isinstance(rates, str) or all(isinstance(rate, float) and rate > 0 for rate in rates)


@pytest.mark.filterwarnings("ignore")
def test_fastai_trains_with_the_tasks_own_torch_optimizer() -> None:
    pytest.importorskip("fastai.callback.schedule")
    steps: list[float] = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):  # type: ignore[no-untyped-def]
            steps.append(self.param_groups[0]["lr"])
            return super().step(closure)

    peers.fastai(replace(tasks.named(["cancer-mlp-sgd"])[0], optimizer=Watched), 0)
    assert steps[0] == pytest.approx(1e-7) and len(steps) <= 100
    assert np.diff(np.log(steps)) == pytest.approx(math.log(1e8) / 100, rel=1e-3)


def test_the_curve_is_that_of_torch_lr_finder_without_its_smoothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("torch_lr_finder")
    torch.manual_seed(0)
    inputs = torch.randn(64, 4)
    loader = DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size=16)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    start = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    options = {"end_lr": 1.0, "spacing": "exponential", "metric": "loss"}
    ours = lr_range_test(model, optimizer, nn.CrossEntropyLoss(), loader, start_lr=1e-4, iterations=30, **options)
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())
    finder = module.LRFinder(model, optimizer, nn.CrossEntropyLoss(), device="cpu")
    quiet = contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), quiet[0], quiet[1]:
        warnings.simplefilter("ignore")
        finder.range_test(loader, end_lr=1.0, num_iter=30, smooth_f=0, diverge_th=1e9)
    np.testing.assert_allclose(ours.lr, finder.history["lr"], rtol=1e-9)
    np.testing.assert_allclose(ours.values, finder.history["loss"], rtol=1e-5)
    assert ours.values.size == 30


# Page and figure


def test_page_and_figure_are_made_of_the_records_and_of_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "UNSEEN", ())
    assert show.page(show.load([TOY])) == "Not run yet."
    records.write(
        "toy", [made("fixed", 0, 0.9, task="toy"), made("x", 0, 0.5, task="toy"), made("y", 0, None, (), "toy")]
    )
    table = show.load([TOY])
    figure, alt = show.draw(table)
    assert alt.endswith("Means: x 50 %, y 100 %.")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["x", "y"]
    assert "| x | 50.0 | 50.0 | 50.0 | 0 of 1 | 1 of 1 | 1.50 | 100 |" in show.page(table)
    assert "| toy | 0.1 | 50 | 100 |" in show.page(table)
