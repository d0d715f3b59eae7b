"""One training: `for training in steps(run, images)` yields it at each evaluation."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clrlib import Policy, ScheduleLR
from lab.data.image_sets import Images
from lab.data.order import BatchOrder, check_order, generator
from lab.experiments.run import Run
from lab.nets import kernels
from lab.nets.build import build, compiled, compiles
from lab.training.alone import ALONE, Alone
from lab.training.curves import CURVES, OF_SNAPSHOTS, check_curves
from lab.training.snapshots import Snapshots
from lab.training.solvers import OPTIMIZERS

Report = Callable[["Training"], None]
TEST_BATCH = 500
STATE = ("net", "optimizer", "random", "random_cuda", "threads", "done", "losses", "curves", "seconds", "commits")


def nothing(training: "Training") -> None:
    """Do nothing: the default call between two iterations."""


def steps(
    run: Run, images: Images, processes: Alone = ALONE, begin: Report = nothing, between: Report = nothing
) -> Iterator["Training"]:
    """Train a net as the run says, on the images' device; yield the training after each evaluation.

    Ends with the run, or at the first iteration whose loss is not finite (diverged_at). begin: called before the first
    iteration, for instance to load a state. between: called between two iterations. Draws from torch's global
    generators.
    Raises ValueError for images other than the run's.
    """
    training = Training(run, images, processes)
    begin(training)
    training.counted = time.monotonic()
    while not training.ended:
        due = run.evaluate_every - training.done % run.evaluate_every
        training.advance(min(due, run.iterations - training.done), between)
        training.count_seconds()
        yield training


class Training:
    """A training in progress: net, optimizer, schedule, position and curves so far.

    commits: the code's commits, one for each sitting that differed; filled in by the code that saves the state.
    """

    def __init__(self, run: Run, images: Images, processes: Alone = ALONE) -> None:
        images = _checked(run, images)
        if run.snapshots and processes.size > 1:
            raise ValueError(f"snapshots are not taken by {processes.size} processes; train the run in one")
        processes.check_same(run.name, images.sha256)
        self.run, self.images, self.device = run, images.test_share(processes.share), images.device
        self.processes = processes
        torch.manual_seed(generator(run.seed, "dropout").initial_seed())
        with processes.first_on_each_machine():  # of ImageNet the mean image, which takes a while
            net = build(run, images)
        self.net = net.to(self.device).to(memory_format=torch.channels_last)
        if compiles(run.net, self.device):
            self.net.net.compile()  # the net alone: what stands before it draws from torch's own generator
        momentum = run.momentum if isinstance(run.momentum, Policy) else None
        first = momentum(0) if momentum else run.momentum
        self.optimizer = OPTIMIZERS[run.optimizer](net.parameter_groups(run.weight_decay), lr=0.0, momentum=first)
        self.schedule = ScheduleLR(self.optimizer, run.policy, momentum=momentum)
        self.parallel = processes.parallel(self.net, run.batch)
        self.compiled = compiled(net, run.precision, self.device) if processes.size == 1 else None
        self.snapshots = Snapshots(net) if run.snapshots else None
        self.order = BatchOrder(len(images.train_labels), run.batch, run.seed, run.order)
        self.done = 0
        self.losses: list[Tensor] = []  # since the last evaluation, on the device: reading each would wait for it
        self.diverged_at: int | None = None
        self.curves: dict[str, list[float]] = {name: [] for name in CURVES + (OF_SNAPSHOTS if run.snapshots else ())}
        self.seconds, self.counted = 0.0, time.monotonic()
        self.commits: list[Any] = []

    @property
    def ended(self) -> bool:
        """True if all iterations are done, or the training diverged."""
        return self.diverged_at is not None or self.done == self.run.iterations

    def advance(self, iterations: int, between: Report = nothing) -> None:
        """Train for some iterations, then evaluate; between is called between two of them."""
        self.set_mode(training=True)
        end = self.done + iterations
        for batch in self.images.batches(self._share_of_batch, self.done, end):
            lr = self.optimizer.param_groups[0]["lr"]
            self.losses.append(self.step(*batch))
            self.schedule.step()
            self.done += 1
            if self.done < end:
                between(self)
        losses, self.losses = torch.stack(self.losses), []
        finite = losses.isfinite()
        if not finite.all():
            self.done -= len(losses)
            self.diverged_at = self.done + int((~finite).nonzero()[0])
            return
        self.evaluate(lr, losses.mean().item())

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One iteration: loss and gradients of a batch, then the optimizer's step. Returns all processes' loss."""
        loss = self.loss_and_gradients(images, labels)
        self.optimizer.step()
        return self.processes.average(loss)

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

    def evaluate(self, lr: float, train_loss: float) -> None:
        """Add a point to every curve. Numbers that are not finite end the training as diverged."""
        self.set_mode(training=False)
        scores = self.test_scores(self.net)
        values = (self.done, lr, *self._accuracy_and_loss(scores), train_loss)
        if not all(map(math.isfinite, values)):  # the last update broke the net: the next loss would show it
            self.diverged_at = self.done
            return
        for name, value in zip(CURVES, values, strict=True):
            self.curves[name].append(value)
        if self.snapshots is not None and self.done in self.run.snapshots:
            self.take_snapshot(self.snapshots, scores)

    def _share_of_batch(self, iteration: int) -> Tensor:
        share: Tensor = self.processes.share(self.order(iteration))
        return share

    def _accuracy_and_loss(self, scores: Tensor) -> tuple[float, float]:
        return accuracy_and_loss(scores, self.images.test_labels, self.processes)

    def count_seconds(self) -> None:
        """Add the time since it was last counted."""
        now = time.monotonic()
        self.seconds, self.counted = self.seconds + now - self.counted, now

    def set_mode(self, training: bool) -> None:
        """Set net and optimizer to train or eval mode: schedule-free optimizers swap weights between the two."""
        self.net.train(training)
        switch = getattr(self.optimizer, "train" if training else "eval", None)
        if switch is not None:
            switch()

    def take_snapshot(self, kept: Snapshots, scores: Tensor) -> None:
        """Keep a snapshot of the net, and record the ensemble's and the average's accuracy."""
        kept.take(self.net, scores)
        labels = self.images.test_labels
        average, _ = self._accuracy_and_loss(self.test_scores(kept.average))
        for name, value in zip(OF_SNAPSHOTS, (self.done, kept.ensemble_accuracy(labels), average), strict=True):
            self.curves[name].append(value)

    def test_scores(self, net: nn.Module) -> Tensor:
        """A net's scores of the test images, (N, classes) float32."""
        return self.scores(net, (images for images, _ in self.images.test_batches(TEST_BATCH)))

    def scores(self, net: nn.Module, images: Iterable[Tensor]) -> Tensor:
        """A net's scores of some batches of images, (N, classes) float32."""
        if self.compiled is not None and net is self.net:
            return torch.cat([self.compiled.scores(some) for some in images])
        return scores_of(net, images)

    @property
    def kernels(self) -> str:
        """The kernels in use, "winograd", "fused" or "torch", for the record."""
        if self.compiled is not None:
            return "winograd"
        return "torch" if self.device.type == "cuda" or kernels.name() == "torch" else "fused"

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on, and the run's identity."""
        return {
            "run": self.run.to_json(),
            "data": self.images.sha256,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "threads": torch.get_num_threads(),
            "kernels": self.kernels if self.device.type == "cpu" else None,  # a GPU takes up what either began
            "snapshots": self.snapshots.state_dict() if self.snapshots is not None else None,
            "done": self.done,
            "losses": self.losses,
            "curves": self.curves,
            "seconds": self.seconds,
            "commits": self.commits,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state, with its threads and kernels: bit for bit the same on the same CPU.

        Raises ValueError, or what torch raises, for a state that does not fit; do not use the training after that.
        """
        _check_state(state, self.run)
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        for weights, of_weights in self.optimizer.state.items():  # which torch takes as it is
            for name, value in of_weights.items():
                if isinstance(value, Tensor) and value.shape not in ((), weights.shape):
                    raise ValueError(f"{name} has shape {tuple(value.shape)} for weights {tuple(weights.shape)}")
        if self.snapshots is not None:
            self.snapshots.load_state_dict(state["snapshots"])
        self.schedule.load_state_dict({"last_epoch": state["done"]})
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)
        torch.set_num_threads(state["threads"])  # sums are taken in another order by another number
        self.done, self.losses = state["done"], state["losses"]
        self.curves, self.seconds = state["curves"], float(state["seconds"])
        before = state["commits"]
        self.commits = before + [commit for commit in self.commits if commit not in before[-1:]]


def _checked(run: Run, images: Images) -> Images:
    """The images that the run trains and is tested on.

    Raises ValueError for images of another data set, or a snapshot that is not at an evaluation.
    """
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
    return images


def _check_state(state: dict[str, Any], run: Run) -> None:
    """Refuse a state with a missing entry or an impossible number."""
    if missing := [key for key in STATE if key not in state]:
        raise ValueError(f"it has no {missing[0]!r}")
    done, threads = state["done"], state["threads"]
    if type(threads) is not int or threads < 1:
        raise ValueError(f"threads is {threads!r}")
    if type(done) is not int or not 0 <= done <= run.iterations:
        raise ValueError(f"done is {done!r}")
    if any(loss.shape for loss in state["losses"]):
        raise ValueError("losses are not single numbers")
    check_curves(state["curves"])


def predict(net: nn.Module, images: Tensor, batch: int = TEST_BATCH) -> Tensor:
    """Scores of all images, (N, classes) float32, whatever the precision of the training."""
    return scores_of(net, torch.split(images, batch))


@torch.no_grad()
def scores_of(net: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Scores of the images of some batches, (N, classes) float32."""
    net.eval()
    return torch.cat([net(images) for images in batches])


def mean_loss(scores: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """Mean cross entropy. With several classifiers (GoogLeNet) the first has weight 1, each other 0.3."""
    first, *auxiliary = scores if isinstance(scores, tuple) else (scores,)
    loss = F.cross_entropy(first.float(), labels)
    for other in auxiliary:
        loss = loss + 0.3 * F.cross_entropy(other.float(), labels)
    return loss


def accuracy_and_loss(scores: Tensor, labels: Tensor, processes: Alone = ALONE) -> tuple[float, float]:
    """Accuracy (fraction) and mean cross entropy, over the images of all processes."""
    correct = int((scores.argmax(1) == labels).sum())
    if processes.size > 1:
        loss = F.cross_entropy(scores, labels, reduction="sum").item()
        correct_of_all, loss, images = processes.total(correct, loss, len(labels))
        return correct_of_all / images, loss / images
    return correct / len(labels), F.cross_entropy(scores, labels).item()


def precision(name: str, device: torch.device) -> torch.autocast:
    """bfloat16 for the net's forward and backward pass in training; weights, updates and loss stay float32."""
    if name not in ("float32", "bfloat16"):
        raise ValueError(f'precision is {name!r}; give "float32" or "bfloat16"')
    return torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16")
