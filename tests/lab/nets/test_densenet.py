"""DenseNet against its definition: every layer sees the outputs of all layers of its block before it."""

import pytest
import torch
import torch.nn.functional as F
from made_nets import Weights, assert_starts_as_hes, lively, normalised, pictures, seeded, state
from torch import Tensor

from lab.nets.densenet import DenseLayer, DenseNet, Transition


def reference(p: Weights, x: Tensor, n: int, training: bool) -> Tensor:
    """Block by block with a list of all that was made so far."""
    made, k = [F.conv2d(x, p["features.0.weight"], padding=1)], 1
    for block in range(3):
        for _ in range(n):
            active = normalised(torch.cat(made, 1), p, f"features.{k}.norm", training).clamp(min=0)
            made.append(F.conv2d(active, p[f"features.{k}.conv.weight"], padding=1))
            k += 1
        x = torch.cat(made, 1)
        if block < 2:
            active = normalised(x, p, f"features.{k}.norm", training).clamp(min=0)
            mixed = torch.einsum("nchw,oc->nohw", active, p[f"features.{k}.conv.weight"][:, :, 0, 0])
            corners = [mixed[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
            made, k = [sum(corners) / 4], k + 1
    active = normalised(x, p, "norm", training).clamp(min=0)
    return active.mean((2, 3)) @ p["last.weight"].T + p["last.bias"]


@pytest.mark.parametrize(("depth", "growth", "training"), [(7, 12, True), (10, 5, True), (10, 5, False)])
def test_scores_are_the_definitions(depth: int, growth: int, training: bool) -> None:
    net, x = lively(DenseNet(depth, seeded(0), growth=growth)), pictures(side=16)
    expected = reference(state(net), x, (depth - 4) // 3, training)
    assert expected.std() > 0.1
    torch.testing.assert_close(net.train(training)(x), expected, rtol=1e-9, atol=1e-11)


def test_parameters_are_the_papers_million() -> None:
    assert sum(p.numel() for p in DenseNet(40, seeded(0)).parameters()) == 1_019_722


def test_channels_grow_by_twelve_a_layer_and_transitions_halve_the_side() -> None:
    net, seen = DenseNet(40, seeded(0), classes=7).eval(), []
    for layer in net.features:
        layer.register_forward_hook(lambda layer, _, y: seen.append((type(layer), *y.shape)))
    assert net(pictures(2).float()).shape == (2, 7)
    shapes = {kind: [shape for k, *shape in seen if k is kind] for kind in (DenseLayer, Transition)}
    blocks = [(16, 32), (160, 16), (304, 8)]
    assert shapes[DenseLayer] == [[2, first + 12 * k, side, side] for first, side in blocks for k in range(1, 13)]
    assert shapes[Transition] == [[2, 160, 16, 16], [2, 304, 8, 8]]


@pytest.mark.parametrize("depth", [-2, 4, 6, 41])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"^depth is {depth}; give 3 n \+ 4, such as 22 or 40$"):
        DenseNet(depth, seeded(0))


def test_weights_start_as_hes() -> None:
    assert_starts_as_hes(DenseNet(22, seeded(0)))
