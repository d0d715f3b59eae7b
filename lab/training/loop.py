"""train(run) -> Record: the loop that every curve comes from."""

import math
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clrlib import Policy, ScheduleLR
from lab.data.image_sets import Images
from lab.data.order import BatchOrder, check_order, generator
from lab.experiments.run import Run
from lab.nets import kernels
from lab.nets.build import build, compiled, compiles
from lab.records import checkpoints, provenance
from lab.records.record import CURVES, OF_SNAPSHOTS, Record
from lab.sweep import processes
from lab.training.device import keep_freed_memory, threads_put_back
from lab.training.snapshots import Snapshots
from lab.training.solvers import OPTIMIZERS

Report = Callable[["Training"], None]
SECONDS_BETWEEN_CHECKPOINTS = 30.0
TEST_BATCH = 500


class OutOfTime(Exception):
    """A training was stopped at its time limit; what it did is in its checkpoint."""


def train(
    run: Run,
    images: Images,
    checkpoint: Path | None = None,
    report: Report | None = None,
    until: float | None = None,
) -> Record:
    """Train a net as the run says, on the images' device, and return the record.

    checkpoint: a file to go on from where it exists and to save to now and then. report: called after each evaluation.
    until: the time (time.monotonic(), which no setting of the clock moves) from which on it saves and stops, before its
    end.
    Stops at the first iteration whose loss is not finite (the record's diverged_at).
    In several processes (lab.sweep.processes) all call it alike; the first one has the file and the time.
    Raises ValueError for images other than the run's, OutOfTime when stopped before the end.
    """
    keep_freed_memory()
    device = images.device
    random = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with processes.interrupts_noted(), random, threads_put_back():
        training = Training(run, images)
        if checkpoint is not None:
            checkpoints.resume(checkpoint, training)
        saved = started = time.monotonic()
        meeting = 0  # the iteration from which on several processes next ask the first one

        def pause() -> None:
            """Between two iterations: save now and then, and stop when the time is up."""
            nonlocal saved, started, meeting
            if processes.size() > 1 and training.done < meeting:
                return
            now = time.monotonic()
            training.seconds, started = training.seconds + now - started, now
            interrupted, late = processes.interrupted(), until is not None and now > until
            due = interrupted or late or now - saved > SECONDS_BETWEEN_CHECKPOINTS
            next_meeting = training.done + 1 + int(training.done / (1 + training.seconds))  # in about a second
            interrupted, late, due, meeting = processes.agree((interrupted, late, due, next_meeting))
            if checkpoint is not None and due:
                processes.by_the_first(partial(checkpoints.save, checkpoint, training))
                saved = now
            if interrupted:
                raise KeyboardInterrupt
            if late:
                raise OutOfTime(f"{run.name} stopped after {training.done} of {run.iterations} iterations")

        while True:
            due = run.evaluate_every - training.done % run.evaluate_every
            training.advance(min(due, run.iterations - training.done), pause)
            now = time.monotonic()
            training.seconds, started = training.seconds + now - started, now
            ended = training.diverged_at is not None or training.done == run.iterations
            if not ended:
                pause()
            if report is not None:
                report(training)
            if ended:
                return training.record()


class Training:
    """A training in progress: net, optimizer, schedule, position and curves so far."""

    def __init__(self, run: Run, images: Images) -> None:
        if run.data != images.name:
            raise ValueError(f"the run is for data {run.data!r}, the images are {images.name!r}; load the run's data")
        if run.test_on not in ("test", "validation"):
            raise ValueError(f'test_on is {run.test_on!r}; give "test" or "validation"')
        missed = [t for t in run.snapshots if t % run.evaluate_every or t > run.iterations]
        if missed:
            raise ValueError(f"snapshot at {missed[0]} is no evaluation; give multiples of {run.evaluate_every}")
        if run.test_on == "validation":
            images = images.validation_split()
        elif run.hold_out:
            images = images.without_validation()
        check_order(run.order, images.train_labels)
        self.run, self.images, self.device = run, images.test_share(), images.device
        if run.snapshots and processes.size() > 1:
            raise ValueError(f"snapshots are not taken by {processes.size()} processes; train the run in one")
        processes.check_same(run.name, images.sha256)
        torch.manual_seed(generator(run.seed, "dropout").initial_seed())
        with processes.first_on_each_machine():  # of ImageNet the mean image, which takes a while
            net = build(run, images)
        self.net = net.to(self.device).to(memory_format=torch.channels_last)
        if compiles(run.net, self.device):
            self.net.net.compile()  # the net alone: what stands before it draws from torch's own generator
        groups = net.parameter_groups(run.weight_decay)
        momentum = run.momentum if isinstance(run.momentum, Policy) else None
        first = momentum(0) if momentum else run.momentum
        self.optimizer = OPTIMIZERS[run.optimizer](groups, lr=0.0, momentum=first)
        self.schedule = ScheduleLR(self.optimizer, run.policy, momentum=momentum)
        self.parallel = processes.parallel(self.net, run.batch)
        self.compiled = compiled(net, run.precision, self.device)
        self.snapshots = Snapshots(net) if run.snapshots else None
        self.order = BatchOrder(len(images.train_labels), run.batch, run.seed, run.order)
        self.done = 0
        self.losses: list[Tensor] = []  # since the last evaluation, on the device: reading each would wait for it
        self.diverged_at: int | None = None
        names = CURVES + (OF_SNAPSHOTS if run.snapshots else ())
        self.curves: dict[str, list[float]] = {name: [] for name in names}
        self.seconds = 0.0
        self.commits = [provenance.git()]  # the code as it is now, not as it will be when the run ends

    def advance(self, iterations: int, pause: Callable[[], None] = lambda: None) -> None:
        """Train for some iterations, then evaluate; pause is called between two of them."""
        self.set_mode(training=True)
        end = self.done + iterations
        for batch in self.images.batches(self.order, self.done, end):
            lr = self.optimizer.param_groups[0]["lr"]
            self.losses.append(self.step(*batch))
            self.schedule.step()
            self.done += 1
            if self.done < end:
                pause()
        losses, self.losses = torch.stack(self.losses), []
        finite = losses.isfinite()
        if not finite.all():
            self.done -= len(losses)
            self.diverged_at = self.done + int((~finite).nonzero()[0])
            return
        self.set_mode(training=False)
        scores = self.test_scores(self.net)
        values = (self.done, lr, *accuracy_and_loss(scores, self.images.test_labels), losses.mean().item())
        if not all(map(math.isfinite, values)):  # the last update broke the net: the next loss would show it
            self.diverged_at = self.done
            return
        for name, value in zip(CURVES, values, strict=True):
            self.curves[name].append(value)
        if self.snapshots is not None and self.done in self.run.snapshots:
            self.take_snapshot(self.snapshots, scores)

    def set_mode(self, training: bool) -> None:
        """Net and optimizer into training or evaluation; schedule-free optimizers have other weights in each."""
        self.net.train(training)
        switch = getattr(self.optimizer, "train" if training else "eval", None)
        if switch is not None:
            switch()

    def take_snapshot(self, kept: Snapshots, scores: Tensor) -> None:
        """Keep the net, and note what all kept ones say together."""
        kept.take(self.net, scores)
        labels = self.images.test_labels
        average, _ = accuracy_and_loss(self.test_scores(kept.average), labels)
        for name, value in zip(OF_SNAPSHOTS, (self.done, kept.ensemble_accuracy(labels), average), strict=True):
            self.curves[name].append(value)

    def test_scores(self, net: nn.Module) -> Tensor:
        """A net's scores of the test images, (N, classes) float32."""
        images = (images for images, _ in self.images.test_batches(TEST_BATCH))
        if self.compiled is not None and net is self.net:
            return torch.cat([self.compiled.scores(some) for some in images])
        return scores_of(net, images)

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One iteration: loss and gradients of a batch, then the optimizer's step. Returns all processes' loss."""
        loss = self.loss_and_gradients(images, labels)
        self.optimizer.step()
        return processes.average(loss)

    def loss_and_gradients(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch; the gradients are in the parameters."""
        if self.compiled is not None:
            return self.compiled.loss_and_gradients(images, labels)
        with precision(self.run.precision, self.device):
            scores = self.parallel(images)
        loss = mean_loss(scores, labels)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        return loss.detach()

    @property
    def kernels(self) -> str:
        """The kernels that compute it: "winograd", "fused" or "torch". Recorded."""
        if self.compiled is not None:
            return "winograd"
        return "torch" if self.device.type == "cuda" or kernels.name() == "torch" else "fused"

    def record(self) -> Record:
        """The record of what was done so far."""
        data = {"name": self.images.name, "label": self.images.label, "sha256": self.images.sha256}
        return Record(
            run=self.run,
            data=data,
            curves=self.curves,
            diverged_at=self.diverged_at,
            seconds=round(self.seconds, 1),
            iterations_per_second=round(self.done / self.seconds, 2) if self.seconds else None,
            peak_memory=provenance.peak_memory(self.device),
            machine=provenance.machine(self.device, self.kernels),
            versions=provenance.versions(),
            commits=self.commits,
        )


def predict(net: nn.Module, images: Tensor, batch: int = TEST_BATCH) -> Tensor:
    """Scores of all images, (N, classes) float32, whatever the net was trained in."""
    return scores_of(net, torch.split(images, batch))


@torch.no_grad()
def scores_of(net: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Scores of the images of some batches, (N, classes) float32."""
    net.eval()
    return torch.cat([net(images) for images in batches])


def mean_loss(scores: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """Mean cross entropy; of several classifiers (GoogLeNet's) the first counts whole, each other 0.3 times."""
    first, *auxiliary = scores if isinstance(scores, tuple) else (scores,)
    loss = F.cross_entropy(first.float(), labels)
    for other in auxiliary:
        loss = loss + 0.3 * F.cross_entropy(other.float(), labels)
    return loss


def accuracy_and_loss(scores: Tensor, labels: Tensor) -> tuple[float, float]:
    """Accuracy (fraction) and mean cross entropy; of several processes those of all their images."""
    correct = int((scores.argmax(1) == labels).sum())
    if processes.size() > 1:
        loss = F.cross_entropy(scores, labels, reduction="sum").item()
        correct_of_all, loss, images = processes.total(correct, loss, len(labels))
        return correct_of_all / images, loss / images
    return correct / len(labels), F.cross_entropy(scores, labels).item()


def precision(name: str, device: torch.device) -> torch.autocast:
    """bfloat16 for the net's forward and backward pass in training; weights, updates and loss stay float32."""
    if name not in ("float32", "bfloat16"):
        raise ValueError(f'precision is {name!r}; give "float32" or "bfloat16"')
    return torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16")
