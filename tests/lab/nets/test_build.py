"""Nets built by the name in a Run."""

from dataclasses import replace

import pytest
import torch

from clrlib import Fixed
from lab.data.image_sets import ImageSet
from lab.experiments.run import Run
from lab.nets.build import build, compiles
from lab.nets.caffe_cifar10 import CaffeCifar10Full
from lab.nets.caffe_sigmoid_bn import CaffeCifar10SigmoidBN
from lab.nets.densenet import DenseNet
from lab.nets.imagenet import AlexNet, GoogLeNet
from lab.nets.inputs import FromImages, mean_colour, per_channel, per_pixel, per_pixel_one_std
from lab.nets.resnet import ResNet
from lab.training.loop import mean_loss

CAFFE = {
    "caffe_cifar10_full": CaffeCifar10Full,
    "caffe_cifar10_full_without_lrn": CaffeCifar10Full,
    "caffe_cifar10_full_scaled_inputs": CaffeCifar10Full,
    "caffe_cifar10_sigmoid_bn": CaffeCifar10SigmoidBN,
}
OTHERS = {
    **dict.fromkeys(("resnet8", "resnet20", "resnet56", "resnet110"), (ResNet, per_channel)),
    **dict.fromkeys(("resnet8_sd", "resnet20_sd", "resnet56_sd", "resnet110_sd"), (ResNet, per_pixel_one_std)),
    **dict.fromkeys(("densenet7", "densenet22", "densenet40"), (DenseNet, per_channel)),
    "alexnet": (AlexNet, per_pixel),
    "googlenet": (GoogLeNet, mean_colour),
}


LARGE = ("alexnet", "googlenet")  # for images of 64 pixels and more


def run(net: str, **settings: object) -> Run:
    return Run("made", Fixed(0.1), 1, net=net, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def some(images: ImageSet) -> ImageSet:
    """32 images of 32 pixels, four classes."""
    return replace(images, train_images=images.train_images[:32], train_labels=images.train_labels[:32])


@pytest.fixture(scope="module")
def large(some: ImageSet) -> ImageSet:
    """The same, each pixel drawn as a square of 2x2."""
    pixels = some.train_images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return replace(some, train_images=pixels, train_labels=some.train_labels)


@pytest.mark.parametrize("name", [*CAFFE, *OTHERS])
def test_a_gpu_compiles_the_large_nets_that_have_one_graph(name: str) -> None:
    large = name.startswith(("resnet", "densenet", "alexnet", "googlenet")) and not name.endswith("_sd")
    assert compiles(name, torch.device("cuda")) is large
    assert not compiles(name, torch.device("cpu"))


def test_a_compiled_net_has_the_same_names_scores_and_gradients(some: ImageSet) -> None:
    torch.manual_seed(0)
    plain, compiled = (build(run("resnet8"), some).train() for _ in range(2))
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    compiled.net.compile(backend=backend)
    for net in (plain, compiled):
        net(some.train_images[:8]).square().sum().backward()
    assert len(graphs) == 1, "one graph, without a break"
    assert [*compiled.state_dict()] == [*plain.state_dict()]
    for one, two in zip(plain.parameters(), compiled.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)


@pytest.mark.parametrize("name", CAFFE)
def test_caffes_nets_are_built_on_the_mean_image(name: str, some: ImageSet) -> None:
    net = build(run(name), some)
    assert type(net) is CAFFE[name]
    assert torch.equal(net.mean_image, some.mean_image())
    assert net(some.train_images[:2]).shape == (2, 4)


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_nets_are_built_on_their_normalisation(name: str, some: ImageSet, large: ImageSet) -> None:
    kind, normalisation = OTHERS[name]
    images = large if name in LARGE else some
    net = build(run(name), images)
    assert isinstance(net, FromImages) and type(net.net) is kind
    mean, std = normalisation(images)
    assert torch.equal(net.mean, mean) and torch.equal(net.std, std)
    with torch.no_grad():
        assert net.eval()(images.train_images[:2]).shape == (2, 4)
    depth = sum(isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)) for layer in net.modules())
    assert name in LARGE or str(depth) in name
    if isinstance(net.net, ResNet):
        assert net.net.blocks[-1].survival == (0.5 if name.endswith("_sd") else 1.0)


def test_augmentation_is_the_runs(some: ImageSet) -> None:
    net = build(run("resnet8", flip=True, shift=4, crop=28), some)
    assert (net.flip, net.shift, net.crop) == (True, 4, 28)
    assert net.train()(some.train_images).shape == (32, 4)
    net = build(run("resnet8"), some)
    assert (net.flip, net.shift, net.crop) == (False, 0, 0)


@pytest.mark.parametrize("name", LARGE)
def test_nets_for_any_size_are_made_for_the_part_that_is_cut_out(name: str, large: ImageSet) -> None:
    """AlexNet's fc6 and GoogLeNet's classifiers on the way would not fit otherwise."""
    wide = replace(large, train_images=torch.nn.functional.pad(large.train_images, (32,) * 4))  # 128 pixels
    net = build(run(name, crop=64), wide)
    with torch.no_grad():
        for scores in (net.train()(wide.train_images[:2]), net.eval()(wide.train_images[:2])):
            assert {s.shape for s in (scores if isinstance(scores, tuple) else (scores,))} == {(2, 4)}


KINDS = ["caffe_cifar10_full", "caffe_cifar10_sigmoid_bn", "resnet8_sd", "densenet7", "alexnet", "googlenet"]


@pytest.mark.parametrize("name", KINDS)
def test_weights_come_from_the_runs_seed_alone(name: str, some: ImageSet, large: ImageSet) -> None:
    made = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(made))  # of no consequence
        net = build(run(name, seed=seed), large if name in LARGE else some)
        made.append(dict(net.named_parameters()))
    one, same, other = made
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not any(torch.equal(one[key], other[key]) for key in one if one[key].ndim > 1)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "resnet8_sd"])  # of which some blocks are left out
def test_a_gradient_reaches_every_parameter_and_each_learns_in_one_group(
    name: str, some: ImageSet, large: ImageSet
) -> None:
    torch.manual_seed(0)
    images = large if name in LARGE else some
    net = build(run(name), images).train()
    mean_loss(net(images.train_images[:8]), images.train_labels[:8]).backward()
    reached = {name: float(p.grad.abs().max()) if p.grad is not None else 0.0 for name, p in net.named_parameters()}
    assert min(reached.values()) > 1e-9, min(reached, key=reached.__getitem__)
    grouped = [p for group in net.parameter_groups(weight_decay=0.5) for p in group["params"]]
    assert len(grouped) == len(reached) and set(grouped) == set(net.parameters())


@pytest.mark.parametrize("augmented", [{"flip": True}, {"shift": 4}, {"crop": 28}])
def test_caffes_nets_refuse_augmentation(augmented: dict[str, int], some: ImageSet) -> None:
    says = "^caffe_cifar10_full takes its images as they are; leave flip, shift and crop out$"
    with pytest.raises(ValueError, match=says):
        build(run("caffe_cifar10_full", **augmented), some)


def test_a_net_that_is_not_known_is_refused_with_those_that_are(some: ImageSet) -> None:
    with pytest.raises(ValueError) as caught:
        build(run("resnet21"), some)
    start, known = str(caught.value).split("; give one of ")
    assert start == "net is 'resnet21'"
    assert set(known.split(", ")) == {*CAFFE, *OTHERS}
