"""The loop that every curve comes from: it learns, repeats itself, survives being killed and admits divergence."""

import copy
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clrlib import Fixed, Stages, Triangular
from lab import files
from lab.data.image_sets import ImageSet
from lab.experiments.run import Run
from lab.nets import build, kernels
from lab.nets.caffe_cifar10 import CaffeCifar10Full
from lab.records import checkpoints, provenance, trainer
from lab.records.record import Record
from lab.records.trainer import OutOfTime, train
from lab.training.curves import CURVES
from lab.training.loop import Training, accuracy_and_loss, predict, steps

RUN = Run("made", Triangular(0.001, 0.003, step_size=20), 60, data="made", batch=10, evaluate_every=20)
SHORT = replace(RUN, iterations=13, batch=8, evaluate_every=4)  # evaluates after 4, 8, 12 and 13

Weights = dict[str, Tensor]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a training, here saved after every iteration, as if all were trained with one commit."""
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(provenance, "git", lambda: {"commit": "a" * 40, "dirty": False})
    return tmp_path / "run.pt"


@pytest.fixture(scope="module")
def learned(images: ImageSet) -> Iterator[tuple[Record, Weights]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield trained(RUN, images)
    torch.set_num_threads(threads)


def trained(run: Run, images: ImageSet) -> tuple[Record, Weights]:
    """The record, and the weights at the last evaluation."""
    weights: Weights = {}
    record = train(run, images, report=lambda t: weights.update({k: v.clone() for k, v in t.net.state_dict().items()}))
    return record, weights


def same(one: Any, other: Any) -> bool:
    """Equal bit for bit, however nested."""
    if isinstance(one, Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_it_learns_by_the_policys_rates(learned: tuple[Record, Weights]) -> None:
    record, _ = learned
    curves = record.curves
    assert record.diverged_at is None
    assert record.accuracy > 0.8  # chance is 0.25
    assert curves["train_loss"][0] > 1 and curves["train_loss"][-1] < 0.5 and curves["test_loss"][-1] < 0.5
    assert tuple(curves) == CURVES and {len(values) for values in curves.values()} == {3}
    assert curves["iteration"] == [20, 40, 60]
    assert curves["lr"] == [RUN.policy(t - 1) for t in (20, 40, 60)]


def test_evaluating_more_often_changes_nothing_and_train_loss_is_the_mean_since_the_last(few: ImageSet) -> None:
    (often, often_weights), (rarely, weights) = (trained(replace(SHORT, evaluate_every=n), few) for n in (1, 4))
    losses = often.curves["train_loss"]
    means = [sum(losses[a:b]) / (b - a) for a, b in ((0, 4), (4, 8), (8, 12), (12, 13))]
    assert rarely.curves["train_loss"] == pytest.approx(means, rel=1e-6)
    assert rarely.curves["test_loss"] == [often.curves["test_loss"][t - 1] for t in (4, 8, 12, 13)]
    assert same(weights, often_weights)


def test_the_same_seed_twice_is_the_same_bit_for_bit_and_another_is_not(
    images: ImageSet, learned: tuple[Record, Weights]
) -> None:
    torch.manual_seed(123)  # of no consequence
    record, weights = trained(RUN, images)
    assert record.curves == learned[0].curves and same(weights, learned[1])
    other, other_weights = trained(replace(RUN, seed=1), images)
    assert record.curves["train_loss"] != other.curves["train_loss"]
    assert not torch.equal(weights["ip1.weight"], other_weights["ip1.weight"])


def spied(run: Run, images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> tuple[Weights, list[Tensor]]:
    """The weights at the start and the training batches that the net saw; evaluated is in evaluation mode."""
    starts: list[Weights] = []
    batches: list[Tensor] = []

    class Spied(CaffeCifar10Full):
        def forward(self, pictures: Tensor) -> Tensor:
            if not starts:
                starts.append({name: value.clone() for name, value in self.state_dict().items()})
            assert self.training == torch.is_grad_enabled()
            if self.training:
                batches.append(pictures.clone())
            return super().forward(pictures)

    with monkeypatch.context() as patch:
        patch.setenv("CLRLIB_KERNELS", "fused")  # the compiled net does not call forward
        patch.setitem(build.CAFFE_CIFAR10, run.net, Spied)
        train(run, images)
    return starts[0], batches


@pytest.mark.parametrize("order", ["file", "once", "epoch"])
def test_two_policies_of_a_seed_are_paired(few: ImageSet, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    run = replace(SHORT, iterations=6, batch=20, evaluate_every=3, order=order)  # 2.4 epochs
    start, batches = spied(run, few, monkeypatch)
    other_start, other_batches = spied(replace(run, policy=Fixed(0.003), momentum=0.5), few, monkeypatch)
    assert same(start, other_start)
    assert len(batches) == 6 and same(batches, other_batches)
    epoch = torch.cat(batches)[:50].flatten(1).numpy()
    assert sorted(map(bytes, epoch)) == sorted(map(bytes, few.train_images.flatten(1).numpy()))


def test_the_optimizer_gets_the_runs_numbers(few: ImageSet) -> None:
    optimizer = Training(replace(SHORT, momentum=0.7, weight_decay=0.01), few).optimizer
    assert [group["momentum"] for group in optimizer.param_groups] == [0.7] * 4
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.01, 2.5, 0.0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.001, 0.002, 0.001, 0.002]


def kill_in(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    """Let the next training that comes to this iteration die there."""
    step = Training.step

    def dying(self: Training, *batch: Tensor) -> Tensor:
        if self.schedule.last_epoch == iteration:
            monkeypatch.setattr(Training, "step", step)
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(Training, "step", dying)


def kill_after(evaluation: int) -> Callable[[Training], None]:
    def report(training: Training) -> None:
        if len(training.curves["iteration"]) == evaluation:
            raise KeyboardInterrupt

    return report


def apart_from_timings(path: Path) -> dict[str, Any]:
    content = checkpoints.read(path, torch.device("cpu"))
    assert content.pop("seconds") > 0
    return dict(content)


@pytest.fixture
def whole(kind: str, few: ImageSet, checkpoint: Path) -> tuple[Run, dict[str, list[float]], dict[str, Any]]:
    """A run of the kind, its curves where nothing happens to it, and its last checkpoint apart from timings."""
    if kind not in UNINTERRUPTED:
        run, path = replace(SHORT, **KINDS[kind]), checkpoint.with_name("whole.pt")
        UNINTERRUPTED[kind] = run, train(run, few, path).curves, apart_from_timings(path)
    return UNINTERRUPTED[kind]


KINDS: dict[str, dict[str, Any]] = {
    "usual": {},
    "each epoch": {"order": "epoch"},  # 50 images: the second epoch begins within a batch
    "momentum": {"momentum": Triangular(0.8, 0.95, step_size=5)},
    "snapshots": {"snapshots": (4, 12)},
    "schedule-free": {"optimizer": "schedule_free_sgd"},
    "validation": {"test_on": "validation"},
    "sigmoid": {"net": "caffe_cifar10_sigmoid_bn"},
}
UNINTERRUPTED: dict[str, tuple[Run, dict[str, list[float]], dict[str, Any]]] = {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("evaluation", "iteration"), [(1, None), (4, None), (None, 0), (None, 2), (None, 11)])
def test_killed_and_resumed_equals_uninterrupted(
    few: ImageSet,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    evaluation: int | None,
    iteration: int | None,
    whole: tuple[Run, dict[str, list[float]], dict[str, Any]],
) -> None:
    """After an evaluation, or in an iteration between two."""
    run, curves, end = whole
    if iteration is not None:
        kill_in(monkeypatch, iteration)
    with pytest.raises(KeyboardInterrupt):
        train(run, few, checkpoint, kill_after(evaluation or 99))
    assert checkpoint.exists() == (iteration != 0), "saved after every iteration"
    torch.manual_seed(99)  # of no consequence
    assert train(run, few, checkpoint).curves == curves
    assert same(apart_from_timings(checkpoint), end)


def test_taken_up_with_as_many_threads_as_it_had(few: ImageSet, checkpoint: Path) -> None:
    """Sums are taken in another order by another number; whoever calls keeps theirs."""
    with pytest.raises(KeyboardInterrupt):
        train(SHORT, few, checkpoint, kill_after(2))
    torch.set_num_threads(2)  # the fixture puts it back
    seen = set()
    record = train(SHORT, few, checkpoint, lambda _: seen.add(torch.get_num_threads()))
    assert seen == {1} and record.machine["threads"] == 1
    assert torch.get_num_threads() == 2


def test_taken_up_with_the_kernels_it_had_or_not_at_all(
    few: ImageSet, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older clrlib's checkpoint does not tell which these were."""
    had = kernels.name()
    with pytest.raises(KeyboardInterrupt):
        train(SHORT, few, checkpoint, kill_after(2))
    content = checkpoints.read(checkpoint, few.device)
    monkeypatch.setattr(Training, "kernels", "others")
    with pytest.raises(ValueError, match=rf"CPU kernels '{had}', not 'others'; set CLRLIB_KERNELS={had}, or delete it"):
        train(SHORT, few, checkpoint)
    assert content.pop("kernels") == had
    checkpoint.write_bytes(checkpoints.encoded(content))
    assert train(SHORT, few, checkpoint).curves["iteration"][-1] == SHORT.iterations


def test_checkpoints_are_written_now_and_then_only(
    few: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 1000)
    train(SHORT, few, tmp_path / "run.pt")
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_holds_the_random_state(few: ImageSet, checkpoint: Path) -> None:
    """No net here draws while it trains; one with dropout will."""
    with torch.random.fork_rng():
        begun = Training(SHORT, few)
        torch.rand(5)
        checkpoints.save(checkpoint, begun)
        expected = torch.rand(5)
        checkpoints.load(checkpoint, Training(SHORT, few))
        assert torch.equal(torch.rand(5), expected)


def test_the_record_names_each_commit_that_it_was_trained_with(
    few: ImageSet, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sitting, commit in enumerate("aabc", start=1):
        monkeypatch.setattr(provenance, "git", lambda commit=commit: {"commit": commit, "dirty": False})
        if sitting < 4:
            with pytest.raises(KeyboardInterrupt):
                train(SHORT, few, checkpoint, kill_after(sitting))
    record = train(SHORT, few, checkpoint)
    assert [entry["commit"] for entry in record.commits] == ["a", "b", "c"]


def test_momentum_follows_its_policy(few: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, step, seen = Triangular(0.8, 0.95, step_size=5), Training.step, []

    def noting(self: Training, *batch: Tensor) -> Tensor:
        seen.append({group["momentum"] for group in self.optimizer.param_groups})
        return step(self, *batch)

    monkeypatch.setattr(Training, "step", noting)
    train(replace(SHORT, momentum=policy), few)
    assert seen == [{policy(t)} for t in range(13)]


def test_validation_images_are_held_out_of_the_training(few: ImageSet) -> None:
    training = Training(replace(SHORT, test_on="validation"), few)
    split = training.images
    assert len(split.train_labels) == 45 and len(split.test_labels) == 5
    seen = torch.cat([training.order(t) for t in range(50)])
    assert seen.min() == 0 and seen.max() == 44
    assert torch.equal(training.net.mean_image, split.mean_image()), "the mean of what it trains on"


def test_schedule_free_is_measured_at_its_average(few: ImageSet) -> None:
    """Its weights in training are others than those that it stands for."""
    training = Training(replace(SHORT, optimizer="schedule_free_sgd", policy=Fixed(0.01)), few)
    training.advance(4)
    at_evaluation = [w.clone() for w in training.net.parameters()]
    loss = accuracy_and_loss(predict(training.net, few.test_images), few.test_labels)[1]
    assert loss == training.curves["test_loss"][-1]
    training.set_mode(training=True)
    assert not all(map(torch.equal, at_evaluation, training.net.parameters()))
    training.set_mode(training=False)
    torch.testing.assert_close(at_evaluation, list(training.net.parameters()))


def test_snapshots_are_taken_where_the_run_says(few: ImageSet) -> None:
    curves = train(replace(SHORT, snapshots=(4, 12)), few).curves
    assert curves["snapshot_iteration"] == [4, 12]
    assert curves["ensemble_accuracy"][0] == curves["average_accuracy"][0] == curves["test_accuracy"][0], (
        "one net alone"
    )
    usual = train(SHORT, few).curves
    assert {name: curves[name] for name in usual} == usual, "keeping nets changes nothing"


def exploding(jump: int, rate: float = 1e30, **changes: Any) -> Run:
    """A run whose rate becomes absurd in iteration `jump`; with 1e30 the loss of the next one overflows."""
    return replace(SHORT, policy=Stages((jump, Fixed(0.001)), (1, Fixed(rate))), **changes)


@pytest.mark.parametrize("evaluate_every", [1, 4, 13])
@pytest.mark.parametrize("jump", [0, 5, 12])
def test_a_diverging_run_stops_and_says_where(few: ImageSet, jump: int, evaluate_every: int) -> None:
    run = exploding(max(jump, 1), evaluate_every=evaluate_every)
    if jump == 0:
        run = replace(run, policy=Fixed(1e30))
    record = train(run, few)
    assert record.diverged_at == jump + 1
    assert record.curves["iteration"] == [t for t in range(1, 14) if t % evaluate_every == 0 and t <= jump]
    assert {len(values) for values in record.curves.values()} == {len(record.curves["iteration"])}
    assert all(np.isfinite(values).all() for values in record.curves.values())
    assert np.isnan(record.accuracy)
    assert Record.from_json(json.loads(files.to_json(record.to_json()))) == record


def test_a_run_that_diverges_slowly_does_so_however_often_it_is_evaluated(few: ImageSet) -> None:
    records = [train(exploding(3, rate=1e6, evaluate_every=every), few) for every in (1, 4)]
    assert records[0].diverged_at == records[1].diverged_at
    assert 5 < records[0].diverged_at < 13
    assert all(np.isfinite(values).all() for record in records for values in record.curves.values())


def test_a_diverged_run_killed_before_its_record_diverges_there_again(few: ImageSet, checkpoint: Path) -> None:
    def report(training: Training) -> None:
        if training.diverged_at is not None:
            raise KeyboardInterrupt

    whole = train(exploding(5), few)
    with pytest.raises(KeyboardInterrupt):
        train(exploding(5), few, checkpoint, report)
    resumed = train(exploding(5), few, checkpoint)
    assert resumed.diverged_at == whole.diverged_at == 6 and resumed.curves == whole.curves


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"data": "cifar10"}, "the run is for data 'cifar10', the images are 'made'; load the run's data"),
        ({"precision": "bf16"}, 'precision is \'bf16\'; give "float32" or "bfloat16"'),
        ({"test_on": "train"}, 'test_on is \'train\'; give "test" or "validation"'),
        ({"snapshots": (5,)}, "snapshot at 5 is no evaluation; give multiples of 4"),
        ({"snapshots": (4, 16)}, "snapshot at 16 is no evaluation; give multiples of 4"),
    ],
)
def test_a_run_that_cannot_be_is_refused(changed: dict[str, Any], says: str, few: ImageSet) -> None:
    with pytest.raises(ValueError, match=says):
        train(replace(SHORT, **changed), few)


@pytest.mark.parametrize("killed", [False, True])
def test_the_global_generators_are_as_they_were(few: ImageSet, killed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def states() -> tuple[Any, ...]:
        return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()

    torch.manual_seed(20260101)  # not what a training before this one may have left
    before = states()
    if killed:
        kill_in(monkeypatch, 2)
        with pytest.raises(KeyboardInterrupt):
            train(SHORT, few)
    else:
        train(SHORT, few)
    assert states() == before


@pytest.mark.parametrize("batch", [20, 500, 1000])
def test_evaluation_uses_the_whole_test_set(images: ImageSet, batch: int) -> None:
    """558 images, the last of them in a batch that is not full."""
    pictures, labels = images.test_images.repeat(9, 1, 1, 1), images.test_labels.repeat(9)
    pictures[-1] = 0  # the last image and its label count too
    net = Means()
    accuracy, loss = accuracy_and_loss(predict(net, pictures, batch=batch), labels)
    scores = pictures.numpy().astype(np.float64).mean((2, 3)) @ net.weight.numpy()
    assert accuracy == (scores.argmax(1) == labels.numpy()).mean() and 0.2 < accuracy < 1
    log_sum = np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1)) + scores.max(1)
    assert loss == pytest.approx((log_sum - scores[np.arange(558), labels]).mean(), rel=1e-5)
    assert net.seen == 558 and not net.training


class Means(nn.Module):
    """Scores from an image's mean colour."""

    weight = torch.tensor([[0.0, 0.1, 0.0, 0.0], [0.2, 0.1, 0.0, 0.1], [0.0, 0.1, 0.2, 0.1]])

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, pictures: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.seen += len(pictures)
        return pictures.float().mean((2, 3)) @ self.weight


def test_bfloat16_starts_out_like_float32_and_keeps_its_weights_in_float32(images: ImageSet) -> None:
    run = replace(RUN, iterations=20, evaluate_every=5)
    full, _ = trained(run, images)
    half, weights = trained(replace(run, precision="bfloat16"), images)
    assert half.curves["train_loss"] != full.curves["train_loss"], "not the same numbers, so bfloat16 it was"
    assert half.curves["train_loss"] == pytest.approx(full.curves["train_loss"], rel=0.01)
    assert half.curves["test_loss"] == pytest.approx(full.curves["test_loss"], rel=0.01)
    assert {value.dtype for value in weights.values()} == {torch.float32}


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "how_many"),
    [
        *((damage, n) for damage in (flip_a_bit, lambda c: c[: len(c) // 2], lambda _: b"") for n in (1, 2)),
        (None, 1),  # a kill between the renaming of the last one and of the new one
    ],
)
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(
    few: ImageSet, checkpoint: Path, damage: Callable[[bytes], bytes] | None, how_many: int, capsys: Any
) -> None:
    whole = train(SHORT, few)
    with pytest.raises(KeyboardInterrupt):
        train(SHORT, few, checkpoint, kill_after(3))
    damaged = [checkpoint, checkpoints.before(checkpoint)][:how_many] if damage else []
    if not damage:
        checkpoint.unlink()
    for path in damaged:
        path.write_bytes(damage(path.read_bytes()))
    assert train(SHORT, few, checkpoint).curves == whole.curves
    out = capsys.readouterr().out
    for path in damaged:
        assert f"{path.name} is cut off or changed: set aside as {path.name}.damaged" in out
        assert path.with_name(f"{path.name}.damaged").exists()
    assert ("goes on from iteration" in out) == (how_many == 1)


def test_out_of_time_it_saves_and_goes_on_later_to_the_same_end(images: ImageSet, tmp_path: Path) -> None:
    whole = train(SHORT, images)
    path = tmp_path / "run.pt"
    for done in (1, 2):
        with pytest.raises(OutOfTime, match=rf"stopped after {done} of 13 iterations"):
            train(SHORT, images, path, until=0.0)
    later = train(SHORT, images, path, until=time.monotonic() + 600)
    assert later.curves == whole.curves
    last = replace(SHORT, iterations=1, evaluate_every=1)
    assert train(last, images, until=0.0).curves["iteration"] == [1], "what ends by itself is not stopped"


def test_the_loop_yields_at_each_evaluation_and_goes_on_from_a_state(few: ImageSet) -> None:
    """The curves are train's; between is called after each iteration but those."""
    between: list[int] = []
    with torch.random.fork_rng():
        first = Training(SHORT, few)
        first.advance(4)
        state = copy.deepcopy(first.state_dict())
        for begin, expected in ((lambda t: None, [4, 8, 12, 13]), (lambda t: t.load_state_dict(state), [8, 12, 13])):
            between.clear()
            seen = [(t.done, t) for t in steps(SHORT, few, begin=begin, between=lambda t: between.append(t.done))]
            assert [done for done, _ in seen] == expected
            assert between == [t for t in range(expected[0] - 3, 13) if t not in expected]
            assert seen[-1][1].ended and seen[-1][1].curves == train(SHORT, few).curves
        with pytest.raises(ValueError, match="it has no 'losses'"):
            Training(SHORT, few).load_state_dict({key: value for key, value in state.items() if key != "losses"})
