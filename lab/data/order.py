"""A random generator for each purpose, and the order of the images as a function of the iteration."""

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

Order = Callable[[int], Tensor]  # batch t: the indices of its images
ORDERS = ("file", "once", "epoch")


def generator(seed: int, purpose: str) -> torch.Generator:
    """A generator of its own for each seed and purpose ("init", "order", ...): drawing from one never shifts another.

    >>> generator(0, "init").initial_seed() == generator(0, "order").initial_seed()
    False
    """
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


class BatchOrder:
    """The images of batch t: the epochs' orders laid end to end and cut into batches.

    Random access in t, so a resumed training sees the batches that it would have seen; the same for every policy of a
    seed. A batch may span two epochs, as Caffe's do. order: "file" (Caffe's: as the images are stored, never shuffled,
    the same for every seed), "once" (one shuffled order a seed) or "epoch" (a new one each epoch).

    >>> order = BatchOrder(images=5, batch=2, seed=0, order="file")
    >>> [order(t).tolist() for t in range(5)]
    [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]
    """

    def __init__(self, images: int, batch: int, seed: int, order: str) -> None:
        if order not in ORDERS:
            raise ValueError(f'order is {order!r}; give "file", "once" or "epoch"')
        self.images, self.batch, self.seed, self.order = images, batch, seed, order
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __call__(self, t: int) -> Tensor:
        """Indices of the images of batch t, (batch,) int64 on the CPU."""
        start, parts, missing = t * self.batch, [], self.batch
        while missing:
            epoch, offset = divmod(start, self.images)
            parts.append(self._epoch_order(epoch)[offset : offset + missing])
            start, missing = start + len(parts[-1]), missing - len(parts[-1])
        return torch.cat(parts)

    def _epoch_order(self, epoch: int) -> Tensor:
        if self.order != "epoch":
            epoch = 0
        if epoch != self._epoch:
            self._epoch = epoch
            shuffled = self.order != "file"
            drawn = generator(self.seed, f"order {epoch}")
            self._order = torch.randperm(self.images, generator=drawn) if shuffled else torch.arange(self.images)
        return self._order


def check_order(order: str, labels: Tensor) -> None:
    """Refuse the file's order for images sorted by class: each batch would have a single class.

    labels: (N,), in the file's order.
    """
    if order == "file" and len(labels) > 1 and labels[0] != labels[-1] and bool((labels.diff() >= 0).all()):
        raise ValueError(
            "order is 'file', but these images stand class by class, so that a batch would show one class; "
            "give order='once'"
        )
