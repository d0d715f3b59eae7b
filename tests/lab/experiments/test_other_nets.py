"""The rows of table 4 and section 4.2 against the paper and the originals, typed in again here."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from clrlib import MultiStep, Triangular, Triangular2
from lab.experiments import CONTESTS, FAMILIES, IMAGENET, IMAGENETTE, OTHER_NETS, TABLE_4, TABLE_4_CIFAR100
from lab.experiments.residual import Family
from lab.experiments.tuned import Contest

EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
EACH_CONTEST = pytest.mark.parametrize("contest", CONTESTS, ids=lambda contest: contest.name)

# epochs, images, batch, drops in epochs, top of the range
ORIGINALS = {
    "resnet": (164, 50_000, 128, (81, 122), 0.3),
    "sd": (500, 45_000, 128, (250, 375), 0.3),
    "densenet": (300, 50_000, 64, (150, 225), 0.2),
}


@EACH_FAMILY
def test_lengths_and_drops_are_the_originals(family: Family) -> None:
    epochs, images, batch, drops, top = ORIGINALS[family.name]
    for row in family.rows():
        run = row.run("paper", 0, "cifar10", "float32")
        assert run.iterations == pytest.approx(epochs * images / batch, rel=0.002)
        assert (run.batch, run.optimizer, run.momentum, run.weight_decay) == (batch, "torch_nesterov", 0.9, 1e-4)
        assert (run.flip, run.shift, run.hold_out) == (True, 4, family.name == "sd")
        lr = run.policy(np.arange(run.iterations))
        falls = [round(t * batch / images) for t, (a, b) in enumerate(pairwise(lr), start=1) if b < a / 5]
        assert falls == list(drops), "in epochs"
    clr, *fixed = family.rows()
    assert [row.policy(0) for row in fixed] == [0.1, 0.2, 0.3]
    assert all(isinstance(row.policy, MultiStep) for row in fixed)
    assert clr.policy(0) == 0.1 and clr.policy(family.step_size) == pytest.approx(top)


@EACH_FAMILY
def test_cycles_are_a_tenth_of_the_training_and_go_on_through_the_drops(family: Family) -> None:
    clr, low, high = family.rows()[0], 0.1, family.max_lr
    plain = Triangular(low, high, family.step_size)
    first, second = family.drops
    t = np.arange(0, clr.iterations, 97)
    factor = np.where(t < first, 1, np.where(t < second, 0.1, 0.01))
    assert clr.iterations == 10 * 2 * family.step_size
    np.testing.assert_allclose(clr.policy(t), plain(t) * factor, rtol=1e-12)
    assert clr.policy(clr.iterations) == pytest.approx(low / 100), "ends at the end of a cycle"


@EACH_FAMILY
def test_smaller_profiles_have_smaller_nets_and_the_same_shape(family: Family) -> None:
    for row in family.rows():
        nets = {profile: row.run(profile, 0, "cifar10", "float32").net for profile in family.nets}
        assert nets == dict(family.nets) and {*nets} == {"paper", "laptop", "quick", "smoke"}
        for profile, by in (("laptop", family.laptop), ("quick", family.quick)):
            run = row.run(profile, 0, "cifar10", "float32")
            t = np.arange(run.iterations)
            t = t[~np.isin(t, [drop // by for drop in family.drops if drop % by])]  # there it drops within an iteration
            np.testing.assert_allclose(run.policy(t), row.policy(t * by), rtol=1e-9)
            assert run.iterations * by == row.iterations


def test_cifar_100_is_the_same_experiment_on_other_images() -> None:
    for ten, hundred in zip(TABLE_4, TABLE_4_CIFAR100, strict=True):
        assert (hundred.data, ten.data) == ("cifar100", "cifar10")
        runs = [row.run("paper", 0, "cifar", "float32") for row in (ten, hundred)]
        assert replace(runs[1], experiment=runs[0].experiment) == runs[0]


def test_section_4_2_is_the_papers() -> None:
    """Lengths, bounds, step sizes and gammas of table 1 and section 4.2."""
    rows = {row.name: row for row in IMAGENET}
    lengths = {name: row.iterations for name, row in rows.items()}
    assert lengths == {
        **{"alexnet-fixed": 400_000, "alexnet-triangular2": 400_000, "alexnet-exp": 460_000},
        **{"alexnet-exp-range": 300_000, "googlenet-fixed": 420_000, "googlenet-triangular2": 420_000},
        **{"googlenet-exp": 240_000, "googlenet-exp-range": 240_000},
    }
    for name, bounds in (("alexnet", (0.01, 0.015)), ("googlenet", (0.01, 0.026))):
        for t in (0, 10_000, 30_000, 60_000, 90_000):
            assert rows[f"{name}-triangular2"].policy(t) == pytest.approx(Triangular2(*bounds, 30_000)(t))
    assert rows["alexnet-exp-range"].policy(30_000) == pytest.approx(0.014 * 0.999995**30_000)
    assert rows["googlenet-exp-range"].policy(60_000) == pytest.approx(0.01 * 0.99998**60_000)
    assert rows["alexnet-exp"].policy(100_000) == pytest.approx(0.01 * 0.999995**100_000)
    alexnet = rows["alexnet-fixed"].run("paper", 0, "imagenet", "float32")  # bvlc_alexnet's solver
    assert [alexnet.policy(t) for t in (99_999, 100_000, 200_000, 300_000)] == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5])
    assert (alexnet.batch, alexnet.crop, alexnet.flip, alexnet.weight_decay) == (256, 227, True, 5e-4)
    assert (alexnet.optimizer, alexnet.momentum) == ("caffe_sgd", 0.9)


def test_imagenette_gets_the_same_number_of_epochs() -> None:
    """1.28 million images of ImageNet in batches of 256 and 128; 9,469 of Imagenette in batches of 64 and 32."""
    rows = {row.name: row for row in IMAGENETTE}
    for row in IMAGENET:
        if row.name == "alexnet-exp":
            continue  # on Imagenette it ends with exp_range
        net = row.name.split("-")[0]
        small = rows[row.name.replace(net, f"{net}-imagenette", 1)]
        large_run, small_run = (r.run("paper", 0, "x", "float32") for r in (row, small))
        epochs = row.iterations * large_run.batch / 1_281_167
        assert small.iterations * small_run.batch / 9_469 == pytest.approx(epochs, rel=0.02)
        assert small.policy(small.iterations // 5) == pytest.approx(row.policy(row.iterations // 5), rel=0.01)
        assert small_run.crop == 112


@EACH_CONTEST
def test_both_sides_have_three_tuning_trainings_of_one_length(contest: Contest) -> None:
    """The range test counts as one of CLR's; the bounds that it gives are tuned whole and halved."""
    fixed, cyclical = contest.tuning()[:3], contest.tuning()[3:]
    assert len(fixed) == 3 and len(cyclical) == (0 if contest.found is None else 2)
    assert len({row.iterations for row in contest.tuning()}) == 1
    *_, first, half = replace(contest, found=(0.01, 0.2)).tuning()
    assert (first.title.split(", ")[1], half.title.split(", ")[1]) == ("clr-0.01-0.2", "clr-0.005-0.1")
    low, mid, high = contest.rates
    assert (low, high) == pytest.approx((mid / 3, 3 * mid), rel=0.02)
    name = contest.name if contest.rows[0].data == "cifar10" else f"{contest.name}-imagenette"
    (range_test,) = (row for row in OTHER_NETS if row.name == f"{name}-range-test")
    for row in (*contest.tuning(), range_test):
        run = row.run("laptop", 0, "x", "float32")
        assert run.test_on == "validation" and not run.hold_out
        assert run.iterations == pytest.approx(contest.rows[0].run("laptop", 0, "x", "float32").iterations / 4, abs=1)


@EACH_CONTEST
def test_the_best_of_each_side_is_trained_whole(contest: Contest) -> None:
    assert bool(contest.best()) == (contest.chosen_rate is not None and contest.chosen_bounds is not None)
    for row in replace(contest, chosen_rate=0.03, chosen_bounds=(0.01, 0.1)).best():
        run, like = (r.run("quick", 0, "x", "float32") for r in (row, contest.rows[0]))
        assert replace(run, experiment=like.experiment, policy=like.policy) == like
