"""The compiled net: as exact as torch's float32, the same bits with any number of threads, and what it refuses."""

import copy
import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from made_nets import seeded
from torch import Tensor

from clrlib import Fixed
from lab.data.image_sets import ImageSet
from lab.experiments.run import Run
from lab.nets import build, kernels
from lab.nets.caffe_cifar10 import CaffeCifar10Full
from lab.nets.kernels import library, net
from lab.nets.kernels.net import CompiledNet
from lab.records import checkpoints, provenance, trainer
from lab.records.trainer import train
from lab.training.loop import Training

pytestmark = pytest.mark.skipif(
    shutil.which(library.compiler()[0]) is None, reason="no C++ compiler: only torch's operations are here"
)
CPU = torch.device("cpu")
CLOSE = 1e-5  # RMS of the error over RMS of the value
TIE = 3e-5  # two values nearer than this share of the layer's RMS: rounding may decide between them
RUN = Run("made", Fixed(0.001), 12, data="made", batch=24, evaluate_every=5)


def smooth_images(count: int) -> Tensor:
    """Low frequencies and a little noise, 0-255: neighbours are alike, as in photographs, but hardly ever the same."""
    coarse = torch.rand(count, 3, 6, 6, generator=seeded(1))
    smooth = F.interpolate(coarse, (32, 32), mode="bicubic", align_corners=True)
    return (255 * smooth + 8 * torch.randn(smooth.shape, generator=seeded(2))).clamp(0, 255).to(torch.uint8)


IMAGES = smooth_images(160)
LABELS = torch.randint(2, (160,), generator=seeded(3))


def made(classes: int = 10, lrn: bool = True, scale: float = 1.0, alone: str | None = None) -> CaffeCifar10Full:
    """A net in whose scores every layer shows; alone: the convolution besides which all others pass their input on."""
    built = CaffeCifar10Full(IMAGES.float().mean(0), seeded(4), classes, lrn, scale)
    deviations = {"conv1": 0.3 / scale, "conv2": 0.05, "conv3": 0.05, "ip1": 0.001}  # scores of order 1
    with torch.no_grad():
        for name, deviation in deviations.items():
            layer = getattr(built, name)
            if name.startswith("conv") and alone not in (None, name):
                layer.weight.zero_()
                for k in range(len(layer.weight)):
                    layer.weight[k, k % layer.weight.shape[1], 2, 2] = 1 / scale if name == "conv1" else 1
                layer.bias.fill_(20)  # every value of the next ReLU far from zero
            else:
                layer.weight.normal_(std=deviation, generator=seeded(5))
                layer.bias.normal_(generator=seeded(6))
    return built.to(memory_format=torch.channels_last)


@cache
def away_from_ties(**options: Any) -> Tensor:
    """The images of which no ReLU nor maximum of this net, in float64, hangs on the last bits; at least 24."""
    exact = made(**options).double()
    x = exact.conv1((IMAGES - exact.mean_image) * exact.scale)
    windows = F.pad(x, (0, 1, 0, 1), value=-torch.inf).unfold(2, 3, 2).unfold(3, 3, 2).flatten(4)
    largest, second = windows.topk(2, dim=4).values.unbind(4)
    far = apart(largest, x) & apart(torch.where(largest > 0, largest - second, torch.inf), x)
    x = exact.conv2(exact.lrn(largest.relu()))
    far &= apart(x, x)
    x = exact.conv3(exact.lrn(F.avg_pool2d(x.relu(), 3, 2, ceil_mode=True)))
    images = IMAGES[far & apart(x, x)]
    assert len(images) >= 24
    return images


def apart(gaps: Tensor, values: Tensor) -> Tensor:
    """For each image whether its smallest gap is more than a tie."""
    return gaps.abs().flatten(1).amin(1) > TIE * values.square().mean().sqrt()


def compiled(built: CaffeCifar10Full) -> CompiledNet:
    kernel = build.compiled(built, "float32", CPU)
    assert kernel is not None
    return kernel


def with_torch(built: CaffeCifar10Full, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Scores, loss and gradients by autograd, in the net's precision."""
    built.zero_grad()
    scores = built(images)
    loss = F.cross_entropy(scores, labels)
    torch.autograd.backward(loss)
    gradients = {name: p.grad.clone() for name, p in built.named_parameters() if p.grad is not None}
    return {"scores": scores.detach(), "loss": loss.detach(), **gradients}


def with_kernel(built: CaffeCifar10Full, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    kernel = compiled(built)
    loss = kernel.loss_and_gradients(images, labels)
    gradients = {name: p.grad.clone() for name, p in built.named_parameters() if p.grad is not None}
    assert len(gradients) == 8
    return {"scores": kernel.scores(images), "loss": loss, **gradients}


def relative(values: Tensor, exact: Tensor) -> float:
    return float((values.double() - exact).square().mean().sqrt() / exact.square().mean().sqrt())


def assert_close(built: CaffeCifar10Full, images: Tensor, labels: Tensor) -> None:
    """Relative RMS errors against float64 of scores, loss and each parameter's gradient."""
    exact = with_torch(copy.deepcopy(built).double(), images, labels)
    ours = with_kernel(built, images, labels)
    errors = {name: relative(ours[name], exact[name]) for name in exact}
    assert max(errors.values()) < CLOSE, errors


@pytest.mark.parametrize(
    ("options", "batch"),
    [
        *(({"alone": alone}, 160) for alone in (None, "conv1", "conv2", "conv3")),
        *(({}, batch) for batch in (1, 2, 3, 4, 5, 100, 130)),  # blocks hold four images, the last one may be short
        *((options, 24) for options in ({"lrn": False}, {"scale": 1 / 255}, {"classes": 2}, {"classes": 16})),
    ],
    ids=str,
)
def test_scores_loss_and_gradients_are_those_of_float64(options: dict[str, Any], batch: int) -> None:
    """All layers at once, and each alone: the gradients of the layers before it then show its data gradient."""
    images = away_from_ties(**options)
    images = images.repeat(6, 1, 1, 1)[: batch if batch != 160 else len(images)]
    assert_close(made(**options), images, LABELS[: len(images)])


def test_a_batch_leaves_nothing_behind_for_the_next() -> None:
    """The workspace is kept: what a larger batch, or other images, left in it must not show."""
    built, other = made(), made()
    kernel = compiled(built)
    for few in (5, 1, 9):
        kernel.loss_and_gradients(255 - IMAGES[:40], LABELS[:40])
        kernel.scores(IMAGES[40:83])
        loss = kernel.loss_and_gradients(IMAGES[:few], LABELS[:few])
        expected = with_kernel(other, IMAGES[:few], LABELS[:few])
        assert torch.equal(loss, expected["loss"])
        assert all(torch.equal(p.grad, expected[name]) for name, p in built.named_parameters() if p.grad is not None)


def test_images_and_weights_in_any_order_of_memory() -> None:
    """Contiguous, channels-last and transposed tensors hold the same values."""
    built = made()
    expected = with_kernel(built, IMAGES[:9], LABELS[:9])
    turned, strided = IMAGES[:9].to(memory_format=torch.channels_last), LABELS[:9].repeat_interleave(2)[::2]
    for other in (
        with_kernel(built, turned, strided),
        with_kernel(made().to(memory_format=torch.contiguous_format), IMAGES[:9], LABELS[:9]),
    ):
        assert all(torch.equal(other[name], value) for name, value in expected.items())


def test_the_first_50_losses_are_torchs(images: ImageSet) -> None:
    run = replace(RUN, iterations=50, batch=12, evaluate_every=1)
    losses = []
    for way in ("winograd", "torch"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLRLIB_KERNELS", way)
            losses.append(torch.tensor(train(run, images).curves["train_loss"]))
    ours, torchs = losses
    assert (ours - torchs).abs().max() < 1e-3
    assert ours[-1] < 0.9 * ours[0], "it learns"


def trained(images: ImageSet, file: Path | None = None, report: Callable[[Training], None] | None = None) -> str:
    """All bits of the record's curves and of the weights at the end."""
    kept: dict[str, Tensor] = {}

    def keep(t: Training) -> None:
        kept.update({name: value.clone() for name, value in t.net.state_dict().items()})
        if report is not None:
            report(t)

    record = train(RUN, images, file, keep)
    assert record.machine["kernels"] == "winograd"
    return json.dumps([record.curves, record.diverged_at]) + repr([w.tolist() for w in kept.values()])


def test_the_same_bits_for_any_number_of_threads_resumed_or_not(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(provenance, "git", lambda: {"commit": "a" * 40, "dirty": False})
    expected = trained(images)  # with one thread
    for threads in (2, 3, 5):
        torch.set_num_threads(threads)
        assert trained(images) == expected, f"{threads} threads"

    def killed_at_5(t: Training) -> None:
        if t.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(images, tmp_path / "run.pt", killed_at_5)  # with five
    take_up = checkpoints.resume

    def with_two(path: Path, t: Training) -> None:
        take_up(path, t)
        torch.set_num_threads(2)

    monkeypatch.setattr(checkpoints, "resume", with_two)
    assert trained(images, tmp_path / "run.pt") == expected


@pytest.mark.slow
def test_avx2_gives_what_avx512_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """One source; the vectors are 8 or 16 lanes wide."""
    if platform.machine() != "x86_64":
        pytest.skip("another processor than x86-64")
    here = with_kernel(made(), IMAGES[:13], LABELS[:13])
    options = ["-march=x86-64-v3" if option == "-march=native" else option for option in library.OPTIONS]
    monkeypatch.setattr(library, "OPTIONS", options)
    assert options.count("-march=x86-64-v3") == 1
    narrow = net.LIBRARY.get()
    monkeypatch.setattr(net, "_library", lambda: narrow)
    there = with_kernel(made(), IMAGES[:13], LABELS[:13])
    assert {name: relative(there[name], here[name].double()) < 1e-6 for name in here} == dict.fromkeys(here, True)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["conv1.weight", "conv2.weight", "conv3.bias", "ip1.weight"])
def test_weights_that_are_not_finite_end_the_training(
    few: ImageSet, broken: float, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Training.step

    def breaking(self: Training, images: Tensor, labels: Tensor) -> Tensor:
        if self.done == 3:
            with torch.no_grad():
                self.net.get_parameter(where)[1] = broken
        return step(self, images, labels)

    monkeypatch.setattr(Training, "step", breaking)
    assert train(RUN, few).diverged_at == 3


@pytest.mark.parametrize(
    ("changes", "classes", "taken"),
    [
        ({}, 4, "winograd"),
        ({}, 17, "fused"),
        ({"precision": "bfloat16"}, 4, "fused"),
        ({"net": "caffe_cifar10_full_without_lrn"}, 4, "winograd"),
        ({"net": "caffe_cifar10_sigmoid_bn"}, 4, "fused"),
    ],
)
def test_the_record_names_the_kernels(
    changes: dict[str, str], classes: int, taken: str, few: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(replace(RUN, **changes), replace(few, classes=tuple(map(str, range(classes)))))
    assert trainer.record_of(training).machine["kernels"] == taken
    for way in kernels.KINDS if not changes and classes == 4 else ():
        monkeypatch.setenv("CLRLIB_KERNELS", way)
        assert train(replace(RUN, iterations=1), few).machine["kernels"] == way


def test_other_nets_devices_and_precisions_are_not_compiled() -> None:
    assert build.compiled(made(), "float32", torch.device("cuda")) is None
    assert build.compiled(made(), "bfloat16", CPU) is None
    for other in (made().double(), made(classes=17)):
        with pytest.raises(ValueError, match=r"give a Caffe net in float32 on the CPU, of at most 16 classes"):
            CompiledNet(other, other.mean_image, 1.0, 0.0)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (IMAGES[:2].float(), LABELS[:2], r"images are float32 \(2, 3, 32, 32\) on cpu; give uint8 \(N, 3, 32, 32\)"),
        (IMAGES[:2, :, 1:], LABELS[:2], r"images are uint8 \(2, 3, 31, 32\)"),
        (IMAGES[0], LABELS[:3], r"images are uint8 \(3, 32, 32\)"),
        (IMAGES[:2].to("meta"), LABELS[:2], r"images are uint8 \(2, 3, 32, 32\) on meta"),
        (IMAGES[:2], LABELS[:2].int(), r"labels are int32 \(2,\) on cpu; give int64 \(2,\) on the CPU"),
        (IMAGES[:2], LABELS[:1], r"labels are int64 \(1,\) on cpu; give int64 \(2,\)"),
        (IMAGES[:2], LABELS[:4].view(2, 2), r"labels are int64 \(2, 2\)"),
        (IMAGES[:2], torch.tensor([0, 10]), "labels go from 0 to 10; give classes from 0 to 9"),
        (IMAGES[:2], torch.tensor([-1, 3]), "labels go from -1 to 3; give classes from 0 to 9"),
    ],
)
def test_other_images_and_labels_are_refused_and_change_nothing(images: Tensor, labels: Tensor, said: str) -> None:
    built = made()
    kernel = compiled(built)
    kernel.loss_and_gradients(IMAGES[:5], LABELS[:5])
    before = [p.grad.clone() for p in built.parameters() if p.grad is not None]
    with pytest.raises(ValueError, match=said):
        kernel.loss_and_gradients(images, labels)
    after = [p.grad for p in built.parameters() if p.grad is not None]
    assert all(map(torch.equal, before, after)) and len(before) == 8
