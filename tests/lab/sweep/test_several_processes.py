"""One training over two processes is that of one process, to rounding.

Two processes that talk through gloo and a file do everything at once, for it takes seconds to start them; the tests
look at their results. The last thing they do is to lose one of them.
"""

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor, multiprocessing, nn

from clrlib import Triangular
from lab import experiments, paths
from lab.data import image_sets, imagenet
from lab.data.image_sets import ImageSet
from lab.data.imagenet import StreamedImages
from lab.data.order import BatchOrder
from lab.experiments.run import Run
from lab.records import checkpoints, store
from lab.records.record import Record
from lab.records.trainer import OutOfTime, train
from lab.sweep import processes, sweep
from lab.training import device, loop
from lab.training.loop import Training

pytestmark = pytest.mark.slow
POLICY = Triangular(0.0005, 0.002, step_size=2)
LARGE = Run("made", POLICY, 5, data="made", batch=8, evaluate_every=1, flip=True, shift=2, crop=60, weight_decay=5e-4)
SMALL = Run("made", POLICY, 5, data="made", batch=8, evaluate_every=2)  # Caffe's net for CIFAR-10
TOLERANCES = {"alexnet": 1e-6, "googlenet": 1e-4, "caffe_cifar10_full": 1e-6}
RUNS = {
    **{net: replace(LARGE, net=net) for net in ("alexnet", "googlenet")},
    "small": replace(SMALL, order="epoch", test_on="validation"),
}
STOPPED = replace(LARGE, net="googlenet", iterations=6, evaluate_every=3)
REFUSED = {
    "batch": replace(SMALL, batch=9),
    "resnet8": replace(SMALL, net="resnet8"),
    "sigmoid": replace(SMALL, net="caffe_cifar10_sigmoid_bn"),
    "snapshots": replace(SMALL, snapshots=(2,)),
}
DROPOUTS = [
    (shape, layout, dtype, p)
    for shape, layout in (((6, 50), torch.contiguous_format), ((6, 4, 5, 3), torch.channels_last))
    for dtype in (torch.float32, torch.bfloat16)
    for p in (0.4, 0.5, 0.7)
]


def images_of(side: int) -> ImageSet:
    """40 train and 21 test images of noise, a tint for each of four classes; 21 are not shared evenly."""
    random = np.random.default_rng(0)
    labels = [np.arange(count) % 4 for count in (40, 21)]
    pixels = [random.integers(0, 200, (len(some), 3, side, side)) for some in labels]
    for some, of in zip(pixels, labels, strict=True):
        some += 50 * (of[:, None, None, None] == np.arange(3)[:, None, None])
    parts = (torch.from_numpy(p) for k in (0, 1) for p in (pixels[k].astype(np.uint8), labels[k].astype(np.int64)))
    return ImageSet("made", "made for the tests", tuple("abcd"), *parts, f"{side}" * 32, "here")


def images_for(run: Run) -> ImageSet:
    return images_of(64 if run.net in ("alexnet", "googlenet") else 32)


@dataclass
class Trained:
    """Curves, where it diverged, the biases one after the other, and a digest of every weight."""

    curves: dict[str, list[float]]
    diverged_at: int | None
    biases: Tensor
    digest: str


def trained(run: Run, *arguments: Any, **named: Any) -> Trained:
    nets = []
    report = {"report": lambda t: nets.append(t.net), "processes": processes.here()}
    record = train(run, images_for(run), *arguments, **report, **named)
    biases = torch.cat([value.flatten() for name, value in nets[-1].named_parameters() if name.endswith("bias")])
    content = b"".join(value.numpy().tobytes() for value in nets[-1].state_dict().values())
    return Trained(record.curves, record.diverged_at, biases.detach(), hashlib.sha256(content).hexdigest())


# ---- the two processes ----


def work(rank: int, folder: Path) -> None:
    """One process of two. Each keeps its files in a separate folder, as on two machines."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    home = folder / str(rank)
    home.mkdir()
    results = {
        "trained": {name: trained(run) for name, run in RUNS.items()},
        "one diverges": with_a_loss_that_is_not_finite(rank),
        "stopped": stopped_twice(rank, home),
        "interrupted": interrupted(rank, home),
        "others' time": trained(SMALL, until=None if rank == 0 else 0.0).curves["iteration"],
        "taken up": trained(STOPPED, folder / "of_one.pt" if rank == 0 else home / "none.pt"),
        "stored": stored(rank, home),
        "streamed": decoded(folder),
        "dropout": [dropped(*kind) for kind in DROPOUTS],
        "refused": {name: refusal(run) for name, run in REFUSED.items()},
        "other data": refusal(SMALL, replace(images_of(32), sha256=f"{rank}" * 64)),
        "swept": swept(home),
        "the first's is there": after_the_first(rank, folder / "marker"),
    }
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(results))
    step = Training.step

    def killed(self: Training, *batch: Tensor) -> Tensor:
        if rank == 1 and self.done == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *batch)

    Training.step = killed  # type: ignore[method-assign]
    train(SMALL, images_of(32), processes=processes.here())


def with_a_loss_that_is_not_finite(rank: int) -> Trained:
    """Only in the second process, at its fourth batch."""
    count, mean_loss = iter(range(100)), loop.mean_loss
    with pytest.MonkeyPatch.context() as patch:
        if rank == 1:
            factor = lambda: float("nan") if next(count) == 3 else 1.0  # noqa: E731
            patch.setattr(loop, "mean_loss", lambda *arguments: mean_loss(*arguments) * factor())
        return trained(SMALL)


def stopped_twice(rank: int, home: Path) -> tuple[Trained, Trained, list[str]]:
    """Uninterrupted; stopped by the first process's time and taken up again; what it said, and the files."""
    whole, said = trained(STOPPED), []
    for _ in range(2):
        try:
            until = 0.0 if rank == 0 else None
            train(STOPPED, images_for(STOPPED), home / "run.pt", until=until, processes=processes.here())
        except OutOfTime as stop:
            said.append(str(stop))
        if rank == 0:
            shutil.copy(home / "run.pt", home / f"after_{len(said)}.pt")
    resumed = trained(STOPPED, home / "run.pt")
    return whole, resumed, said + sorted(path.name for path in home.iterdir())


def interrupted(rank: int, home: Path) -> tuple[Trained, int]:
    """Ctrl-C in the first process alone, in its second iteration; then taken up. The iterations that were saved."""
    step, path = Training.step, home / "interrupted.pt"

    def pressed(self: Training, *batch: Tensor) -> Tensor:
        if rank == 0 and self.done == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *batch)

    before = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "step", pressed)
        train(STOPPED, images_for(STOPPED), path, processes=processes.here())
    assert signal.getsignal(signal.SIGINT) is before
    done = torch.load(path, weights_only=True)["done"] if rank == 0 else 0
    return trained(STOPPED, path), done


def stored(rank: int, home: Path) -> tuple[list[Record], list[str]]:
    """The same run asked for twice, the second time by processes that cannot train; the files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_images", lambda _: images_of(32))
        records = [store.load_or_train(SMALL, home / "results", processes=processes.here())]
        patch.setattr(store, "train", None)
        records.append(store.load_or_train(SMALL, home / "results", processes=processes.here()))
    return records, [path.name for path in home.rglob("*.json")]


def streamed_images(folder: Path) -> StreamedImages:
    files = np.array(sorted(path.name for path in folder.glob("*.png")))
    labels = torch.arange(len(files))
    return StreamedImages(folder, tuple("ab"), files, labels, files[:5], labels[:5], "0" * 64, "here", 0, side=8)


def decoded(folder: Path) -> tuple[list[Any], list[Any], list[str]]:
    """Training and test batches, and the files that this process opened for them."""
    opened, decode = [], imagenet.decode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "decode", lambda path, side: (opened.append(path.name), decode(path, side))[1])
        images = streamed_images(folder / "pictures")
        share, order = processes.here().share, BatchOrder(6, 4, 0, "once")
        batches = [*images.batches(lambda t: share(order(t)), 0, 3)]
        return batches, [*images.test_share(share).test_batches(2)], opened


def dropped(shape: tuple[int, ...], layout: torch.memory_format, dtype: torch.dtype, p: float) -> bool:
    """True if output, gradient and generator are those of nn.Dropout on the whole batch."""
    whole = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype).to(memory_format=layout)
    share = processes.here().share
    mine = share(whole).clone(memory_format=torch.preserve_format)
    results = []
    for layer, x in ((nn.Dropout(p), whole), (processes.Dropout(p, processes.here()), mine)):
        torch.manual_seed(7)
        x.requires_grad_()
        y = layer(x)
        y.square().sum().backward()
        results.append((y, x.grad, torch.rand(1)))
    (y, gradient, after), (shared, shared_gradient, shared_after) = results
    assert 0.2 < (y == 0).float().mean() < 0.85, "something was dropped"
    return shared.equal(share(y)) and shared_gradient.equal(share(gradient)) and after.equal(shared_after)


def refusal(run: Run, images: ImageSet | None = None) -> str:
    with pytest.raises(ValueError) as refused:
        Training(run, images or images_for(run), processes.here())
    return str(refused.value)


def swept(home: Path) -> list[str]:
    """The lines of a sweep of two runs, with no time and with enough."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as said:
        patch.setattr(store, "_images", lambda _: images_of(32))
        patch.setattr(device, "pick_device", lambda: torch.device("cpu"))
        for budget in (0.0, 600.0):
            sweep.train_missing([SMALL, replace(SMALL, seed=1)], home / "sweep" / "results", jobs=1, budget=budget)
    return [line for line in said.getvalue().splitlines() if " it " not in line]


def after_the_first(rank: int, marker: Path) -> bool:
    """True if the file that the first process makes slowly is there."""
    with processes.here().first_on_each_machine():
        results = marker.exists()
        if rank == 0:
            time.sleep(1)
            marker.touch()
    return results


# ---- their results ----


@dataclass
class Two:
    """Results and exit code of each process."""

    folder: Path
    results: list[dict[str, Any]]
    exit_codes: list[int | None]

    def same(self, name: str) -> Any:
        """A result that is the same in both."""
        first, second = (results[name] for results in self.results)
        assert repr(first) == repr(second)
        return first


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("two")
    (folder / "pictures").mkdir()
    for k in range(6):
        Image.fromarray(np.full((8, 8, 3), 40 * k, np.uint8)).save(folder / "pictures" / f"{k}.png")
    with device.threads_put_back(), pytest.raises(OutOfTime):
        torch.set_num_threads(1)  # as the two have that take it up: four threads on two cores wait for each other
        train(STOPPED, images_for(STOPPED), folder / "of_one.pt", until=0.0)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(rank, folder)) for rank in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=1200)  # that they end is tested, not how soon
    codes = [worker.exitcode for worker in workers]
    for worker in workers:
        worker.kill()
        worker.join()
    results = [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in (0, 1)]  # noqa: S301  # written above
    yield Two(folder, results, codes)
    shutil.rmtree(folder)  # hundreds of megabytes


def check_alike(two: Trained, one: Trained, tolerance: float) -> None:
    """Losses within the tolerance, relatively; rates, iterations and accuracies to the bit."""
    for name in ("iteration", "lr", "test_accuracy"):
        assert two.curves[name] == one.curves[name]
    for name in ("train_loss", "test_loss"):
        assert two.curves[name] == pytest.approx(one.curves[name], rel=tolerance)
    torch.testing.assert_close(two.biases, one.biases, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_what_one_trains(two: Two, name: str) -> None:
    """Losses relatively and biases absolutely within 1e-6; GoogLeNet's, which magnifies rounding, within 1e-4.

    Measured over seeds 0 to 3: losses 2e-7 (AlexNet), 2e-5 (GoogLeNet) and 2e-7 (Caffe's small net), biases 1e-8, 5e-7
    and 1e-9. The two processes themselves have the same weights to the last bit.
    """
    run = RUNS[name]
    alone = trained(run)
    check_alike(two.same("trained")[name], alone, TOLERANCES[run.net])
    losses = alone.curves["train_loss"]
    assert max(losses) / min(losses) - 1 > 100 * TOLERANCES[run.net], "it moves by far more"


def test_a_loss_that_is_not_finite_in_one_ends_both(two: Two) -> None:
    both = two.same("one diverges")
    assert both.diverged_at == 3 and both.curves["iteration"] == [2]


def test_stopped_by_the_firsts_time_and_taken_up_from_its_file_to_the_last_bit(two: Two) -> None:
    for rank, files in ((0, ["after_1.pt", "after_2.pt", "run.before.pt", "run.pt"]), (1, [])):
        whole, resumed, said = two.results[rank]["stopped"]
        assert said == [f"{STOPPED.name} stopped after {n} of 6 iterations" for n in (1, 2)] + files
        assert resumed.curves == whole.curves and resumed.digest == whole.digest
    assert two.results[0]["stopped"][1].digest == two.results[1]["stopped"][1].digest
    assert two.same("others' time") == [2, 4, 5], "the second process's time was up"


def test_an_interrupt_of_the_first_saves_and_stops_both(two: Two) -> None:
    whole = two.results[0]["stopped"][0]
    for results in two.results:
        resumed, _ = results["interrupted"]
        assert resumed.curves == whole.curves and resumed.digest == whole.digest
    assert 2 <= two.results[0]["interrupted"][1] < 6


def test_one_goes_on_where_two_stopped_and_two_where_one_did(two: Two) -> None:
    alone = trained(STOPPED)
    for stopped in (1, 2):
        check_alike(trained(STOPPED, two.folder / "0" / f"after_{stopped}.pt"), alone, TOLERANCES["googlenet"])
    check_alike(two.same("taken up"), alone, TOLERANCES["googlenet"])


def test_the_first_writes_the_record_and_a_finished_run_is_trained_by_none(two: Two) -> None:
    (first, again), files = two.results[0]["stored"]
    assert files == [f"{SMALL.name}.json"] and two.results[1]["stored"][1] == [], "the second wrote nothing"
    assert again == two.results[1]["stored"][0][1], "and got the record that the first one read"
    assert first.machine["processes"] == 2 and first.run == SMALL
    assert "processes" not in train(SMALL, images_of(32)).machine
    assert again.to_json() == json.loads(json.dumps(first.to_json()))
    assert not (two.folder / "0" / "checkpoints" / f"{SMALL.name}.pt").exists()


def test_each_decodes_its_share_alone(two: Two) -> None:
    whole = streamed_images(two.folder / "pictures")
    (train, test, opened), (other_train, other_test, other_opened) = (results["streamed"] for results in two.results)
    joined = [[torch.cat(parts) for parts in zip(*pair, strict=True)] for pair in zip(train, other_train, strict=True)]
    for ours, batch in zip(joined, whole.batches(BatchOrder(6, 4, 0, "once"), 0, 3), strict=True):
        assert all(map(torch.equal, ours, batch))
    (batch,) = whole.test_batches(5)
    assert all(
        torch.equal(torch.cat(parts), of) for parts, of in zip(zip(*test, *other_test, strict=True), batch, strict=True)
    )
    assert (len(opened), len(other_opened)) == (3 * 2 + 2, 3 * 2 + 3)


def test_dropout_is_that_of_the_whole_batch(two: Two) -> None:
    assert two.same("dropout") == [True] * len(DROPOUTS)


def test_what_would_be_another_training_is_refused(two: Two) -> None:
    batch_norm = (
        "the net has batch normalisation, which 2 processes would compute over parts of the batch; "
        "train it in one process"
    )
    assert two.same("refused") == {
        "batch": "a batch of 9 does not divide by 2 processes; start a number that divides it",
        "resnet8": batch_norm,
        "sigmoid": batch_norm,
        "snapshots": "snapshots are not taken by 2 processes; train the run in one",
    }
    other = "1 of 2 processes have another run or other data than the first; fix them"
    assert two.same("other data") == other


def test_a_sweep_is_of_what_the_first_has_not(two: Two) -> None:
    said = ["0 of 2 runs are done, 2 to train, 1 at a time"]
    late = "time is up: 2 runs are not finished; the same command goes on from here"
    assert two.results[0]["swept"][:3] == [*said, late, *said]
    assert two.results[0]["swept"][-1] == "total: 10/10 iterations, 0 s left"
    assert len([*(two.folder / "0" / "sweep" / "results").iterdir()]) == 2
    assert not (two.folder / "1" / "sweep").exists()


def test_one_of_a_machine_goes_first(two: Two) -> None:
    assert [results["the first's is there"] for results in two.results] == [False, True]


def test_when_one_is_killed_the_other_fails(two: Two) -> None:
    """By an error, as a rule; where gloo's thread meets the lost connection, it aborts the process."""
    assert two.exit_codes[0] in (1, -signal.SIGABRT) and two.exit_codes[1] == -signal.SIGKILL


@pytest.mark.promise
def test_the_command_under_torchrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun by one process and taken up by two, in a copy of the package: that one writes beside itself.

    What larger nets do in two processes is seen above, without the command.
    """
    monkeypatch.setenv("CLRLIB_KERNELS", "torch")
    for package in ("clrlib", "lab"):
        shutil.copytree(paths.ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (row,) = experiments.named(["nesterov-clr"])
    run = row.run("smoke", 0, "digits", device.pick_precision())
    build = tmp_path / "build" / "smoke"
    checkpoint = build / "checkpoints" / f"{run.name}.pt"
    with pytest.raises(OutOfTime):
        train(run, image_sets.load("digits"), checkpoint, until=0.0)
    content = checkpoints.read(checkpoint, torch.device("cpu")) | {"seconds": 1e6}  # to be known again
    checkpoint.write_bytes(checkpoints.encoded(content))

    torchrun = "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"
    command = "-m", "lab.cli", "train", "--profile", "smoke", "--rows", row.name
    environment = os.environ | {"CLRLIB_DATA": "digits", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *torchrun, *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "total: 50/50 iterations, 0 s left"
    assert lines.count("0 of 1 runs are done, 1 to train, 1 at a time") == 1, "one of the two prints"
    (record,) = store.load_all(build / "results")
    assert record.run == run and record.curves["iteration"][-1] == 50 and record.seconds > 1e6
    assert record.machine["processes"] == 2
    assert not checkpoint.exists()
