"""The bench compares like with like: the usual loop trains the same net, and the work is counted right."""

from collections.abc import Iterator

import pytest
import torch

from lab.bench import contenders, limits
from lab.nets.caffe_cifar10 import CaffeCifar10Full


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use few images: only iterations are counted."""
    monkeypatch.setattr(contenders, "TRAIN", 1000)
    monkeypatch.setattr(contenders, "TEST", 200)
    contenders.images.cache_clear()
    yield
    contenders.images.cache_clear()


def test_the_usual_net_is_the_same_net() -> None:
    usual = contenders.plain_net()
    ours = CaffeCifar10Full(torch.zeros(3, 32, 32), torch.Generator().manual_seed(0))
    for mine, theirs in zip(ours.parameters(), usual.parameters(), strict=True):
        assert mine.shape == theirs.shape
        with torch.no_grad():
            mine.copy_(theirs)
    x = 255 * torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(ours(x), usual(x), rtol=1e-4, atol=1e-4)


def test_the_profile_accounts_for_the_whole_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_KERNELS", "torch")
    spent = limits.where_time_goes(contenders.ours("float32", 10), iterations=2)
    assert set(spent) == {*limits.GROUPS, limits.REST}
    assert [*spent.values()] == sorted(spent.values(), reverse=True)
    assert all(spent[name] > 0 for name in limits.GROUPS)
