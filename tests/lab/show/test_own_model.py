"""A reader's own images become batches, and what was found becomes a page that stands alone."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from refusals import Lab
from torch import nn

from clrlib import Fixed, lr_range_test
from lab.data.image_sets import DataError, ImageSet
from lab.nets import kernels
from lab.show import own_model, plots

NOTEBOOK = Path(__file__).resolve().parents[3] / "notebooks" / "04_your_own_model.ipynb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve oblong pictures of cats and dogs, in two splits."""
    for split, count in (("train", 4), ("val", 2)):
        for k, name in enumerate(("cat", "dog")):
            place = tmp_path / "pets" / split / name
            place.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (30, 20), (100 * k, 40 * i, 7)).save(place / f"{i}.png")
    return tmp_path / "pets"


def test_a_folder_becomes_square_images_with_its_name(folder: Path, lab: Lab) -> None:
    images = own_model.load_images(str(folder), side=8)
    assert (images.classes, images.label, images.name) == (("cat", "dog"), "pets, 8x8", "own")
    assert images.train_images.shape == (8, 3, 8, 8) and images.test_images.shape == (4, 3, 8, 8)
    assert images.train_images[4:, 0].unique().tolist() == [100], "the dogs' red"


def test_the_users_home_is_found(folder: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert own_model.load_images("~/pets", side=8).label == "pets, 8x8"


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "give a folder or an archive"), ("pets/train", "give a tree with train/ and test/")],
)
def test_a_folder_that_will_not_do_is_refused_in_one_sentence(folder: Path, lab: Lab, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        own_model.load_images(str(folder.parent / name), side=8)
    assert "\n" not in str(refused.value)


def test_the_digits_come_with_scikit_learn(lab: Lab) -> None:
    assert own_model.load_images("digits", 32).label == "scikit-learn digits, 32x32"


def test_the_notebook_runs_when_its_two_marked_lines_are_changed(images: ImageSet, lab: Lab, tmp_path: Path) -> None:
    for split, pixels, labels in (
        ("train", images.train_images, images.train_labels),
        ("test", images.test_images, images.test_labels),
    ):
        for i, (image, label) in enumerate(zip(pixels.numpy(), labels.tolist(), strict=True)):
            place = tmp_path / "stripes" / split / images.classes[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{i}.png")
    book = nbformat.read(NOTEBOOK, as_version=4)
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    changed = re.sub(r'"digits", 32(?=  # <- 1)', f'"{tmp_path / "stripes"}", 16', code)
    model = "return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, classes))"
    changed = re.sub(r"(?<=# <- 2. your model, new each time\n)(    .*\n)+", f"    {model}\n", changed)
    assert changed.count("stripes") == changed.count("Linear(48") == 1 and "Conv2d" not in changed
    space: dict[str, Any] = {}
    exec(compile(changed, "04", "exec"), space)
    page = (tmp_path / "build" / "own_model" / "report.html").read_text()
    assert "stripes, 16x16: 200 train and 62 test images of 4 classes" in page
    assert str(space["bounds"]) in page and space["in_words"] in page
    assert max(map(max, space["curves"].values())) > 50


def test_test_images_choose_nothing(images: ImageSet) -> None:
    """Each image is in one of the three kinds of batches, and the test images are the test images."""
    marked = replace(images, train_images=images.train_images.clone(), test_images=images.test_images.clone())
    marked.train_images[:, 0, 0, 0] = torch.arange(200, dtype=torch.uint8)
    marked.test_images[:, 0, 0, 0] = 200 + torch.arange(62, dtype=torch.uint8) % 55
    found = [torch.cat([pixels[:, 0, 0, 0] for pixels, _ in some]) for some in own_model.loaders(marked, batch=32)]
    train, heldout, test = ([round(float(127.5 * (mark + 1))) for mark in marks] for marks in found)
    assert (len(train), len(heldout), len(test)) == (180, 20, 62)
    assert sorted(train + heldout) == [*range(200)] and min(test) == 200


def test_a_batch_is_pixels_from_minus_one_to_one_and_labels(images: ImageSet) -> None:
    train, heldout, test = own_model.loaders(images, batch=32)
    assert [len(some) for some in (train, heldout, test)] == [6, 1, 2]
    for pixels, labels in train:
        assert pixels.dtype == torch.float32 and -1 <= pixels.min() < 0 < pixels.max() <= 1
        assert labels.dtype == torch.int64 and len(labels) == len(pixels)


@pytest.mark.parametrize(("count", "sizes"), [(72, [32, 32]), (73, [32, 32, 2]), (36, [32]), (11, [10])])
def test_no_batch_of_one_is_trained_on(
    images: ImageSet, capsys: pytest.CaptureFixture[str], count: int, sizes: list[int]
) -> None:
    """A tenth is held out: of 72 images 65 are trained on. Batch normalisation refuses a batch of one."""
    few = replace(images, train_images=images.train_images[:count], train_labels=images.train_labels[:count])
    train, *_ = own_model.loaders(few, batch=32)
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3072)).train()
    assert [len(net(pixels)) for pixels, _ in train] == sizes and len(train) == len(sizes)
    trained_on = count - count // 10
    said = f"{trained_on} images make batches of 32 and one of 1: each epoch leaves out one image, drawn anew\n"
    assert capsys.readouterr().out == (said if sum(sizes) < trained_on else "")


def test_the_seed_decides_the_order_and_each_epoch_has_another(images: ImageSet) -> None:
    train, *_ = own_model.loaders(images, batch=32)

    def epoch() -> list[int]:
        return [int(label) for _, labels in train for label in labels]

    torch.manual_seed(3)
    first, second = epoch(), epoch()
    torch.manual_seed(3)
    assert epoch() == first != second


def test_the_range_test_takes_the_batches_and_gives_bounds_or_a_reason(images: ImageSet) -> None:
    torch.manual_seed(0)
    train, heldout, _ = own_model.loaders(images, batch=20)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 4))
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    test = lr_range_test(model, optimizer, nn.CrossEntropyLoss(), train, heldout, end_lr=1.0, iterations=40)
    assert test.accuracy.max() > 0.5 and test.bounds().reason


class Certain(nn.Module):
    """Sure of one class, whatever it sees."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.0, 0.0, 1.0, 0.0]).expand(len(pixels), 4)


def test_accuracy_is_in_percent_over_all_images(images: ImageSet) -> None:
    model = Certain().train()
    *_, test = own_model.loaders(images, batch=10)
    assert own_model.accuracy(model, test) == pytest.approx(100 * 15 / 62)  # of 62 images every fourth, from the third
    assert not model.training


def test_the_images_are_drawn_and_counted(images: ImageSet) -> None:
    figure, alt = own_model.draw_images(images)
    assert alt == "made for the tests: 200 train and 62 test images of 4 classes. One of each: a, b, c, d."
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c", "d"]
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn.shape == (34, 4 * 34, 3)
    assert np.array_equal(drawn[1:33, 35:67], images.train_images[1].permute(1, 2, 0).numpy())


def test_many_classes_are_cut_off_at_ten(images: ImageSet) -> None:
    many = replace(images, classes=tuple(f"class number {k}" for k in range(12)), train_labels=torch.arange(200) % 12)
    figure, alt = own_model.draw_images(many)
    assert (
        "of 12 classes. One of each of the first 10: class number 0," in alt
        and len(figure.axes[0].get_xticklabels()) == 10
    )
    assert plots.encoded(figure, "png")


def test_the_comparison_draws_every_training() -> None:
    curves = {"fixed": [50.0, 60.0], "CLR": [40.0, 62.5]}
    figure, alt = own_model.draw_comparison(curves)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert {name: [*line.get_ydata()] for name, line in lines.items()} == curves
    assert [text.get_text() for text in axes.texts] == [*curves], "named beside their ends"
    assert len({(line.get_color(), line.get_marker()) for line in lines.values()}) == len(curves)
    assert alt.endswith("fixed ends at 60.0 %; CLR ends at 62.5 %.")


@pytest.mark.parametrize(("ends", "chance"), [((50.0, 40.0), "10.0"), ((100.0, 99.0), "1.4")])
def test_chance_is_two_standard_deviations_of_a_difference(ends: tuple[float, ...], chance: str) -> None:
    said = own_model.in_words({str(k): [end] for k, end in enumerate(ends)}, test_images=200)
    assert f"less than {chance} points may be chance" in said


def test_a_training_that_diverged_is_said(images: ImageSet) -> None:
    *_, test = own_model.loaders(images, batch=10)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    nn.init.constant_(model[1].bias, math.nan)
    end = own_model.accuracy(model, test)
    assert math.isnan(end)
    assert own_model.in_words({"a": [50.0, end]}, 62) == "a diverged."
    said = own_model.in_words({"a": [end], "b": [50.0]}, 62)
    assert said.startswith("a diverged, b ends at 50.0 %. With 62 ") and "nan" not in said
    figure, alt = own_model.draw_comparison({"a": [50.0, end], "b": [end, end]})
    assert alt.endswith("a diverged; b diverged.")
    assert plots.encoded(figure, "png")


@pytest.mark.parametrize("side", [0, -1, 2.5, "16", True, 100_000])
def test_a_side_that_is_none_is_refused(side: Any, folder: Path, lab: Lab) -> None:
    with pytest.raises(ValueError, match=f"^side is {side!r}; give a whole number of pixels from 1 to 4096$"):
        own_model.load_images(str(folder), side)


def test_too_few_images_to_hold_some_out_are_refused(folder: Path, lab: Lab) -> None:
    with pytest.raises(DataError, match=r"^pets, 8x8 has 8 training images, too few to hold a tenth out; give 10 or"):
        own_model.loaders(own_model.load_images(str(folder), side=8), batch=4)


def test_deep_colours_are_refused_rather_than_made_white(folder: Path, lab: Lab) -> None:
    Image.fromarray(np.full((20, 30), 5000, np.uint16)).save(folder / "train" / "cat" / "0.png")
    with pytest.raises(DataError, match=r"train/cat/0.png has more than 8 bits a colour; save it with 8$"):
        own_model.load_images(str(folder), side=8)


def test_long_names_of_classes_leave_room_for_the_images(images: ImageSet) -> None:
    figure, alt = own_model.draw_images(replace(images, classes=tuple(f"{k} long" * 30 for k in "abcd")))
    assert plots.encoded(figure, "png") and "a long" * 30 in alt  # a warning of matplotlib's would be an error


def test_the_report_compiles_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "name", lambda: pytest.fail("the kernels were asked for"))
    assert own_model.write_report("mine", "", {}) == "mine.html"


def test_the_report_stands_alone_and_says_with_what_it_was_made(lab: Lab, tmp_path: Path) -> None:
    figure, alt = own_model.draw_comparison({"a < b": [1.0, 2.0]})
    parts: dict[str, Any] = {"Found": ["x < y & z", (figure, alt)], "Settings": [{"policy": Fixed(0.1), "n": 3}]}
    assert own_model.write_report("mine", "A <title>", parts) == "mine.html"
    page = (tmp_path / "build" / "own_model" / "mine.html").read_text()
    assert "<h1>A &lt;title&gt;</h1>" in page and "<p>x &lt; y &amp; z</p>" in page and "a < b" not in page
    assert "<pre><code>policy: Fixed(lr=0.1)\nn: 3\n</code></pre>" in page
    assert f"\ntorch: {torch.__version__.split('+')[0]}" in page and "\ndevice: " in page
    assert re.findall(r'(?:src|href)="(.{22})', page) == ["data:image/png;base64,"]
    assert not re.search("https?://|<script", page)
