"""Where randomness comes from: a generator for each purpose; the order of the images as a function of the iteration."""

import hashlib

import torch
from torch import Tensor


def generator(seed: int, purpose: str) -> torch.Generator:
    """A generator of its own for each seed and purpose ("init", "order", ...): drawing from one never shifts another.

    >>> generator(0, "init").initial_seed() == generator(0, "order").initial_seed()
    False
    """
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


class BatchOrder:
    """Which images make up batch t: the epochs' shuffled orders laid end to end and cut into batches.

    Random access in t, so a resumed training sees the batches that it would have seen; the same for every policy of a
    seed. A batch may span two epochs, as Caffe's do. shuffle: "once" (one order for all epochs, what Caffe does with
    its database) or "each epoch".

    >>> order = BatchOrder(images=5, batch=2, seed=0, shuffle="once")
    >>> torch.equal(torch.cat([order(t) for t in range(5)]), torch.cat([order(t) for t in range(5, 10)]))
    True
    """

    def __init__(self, images: int, batch: int, seed: int, shuffle: str) -> None:
        if shuffle not in ("once", "each epoch"):
            raise ValueError(f'shuffle is {shuffle!r}; give "once" or "each epoch"')
        self.images, self.batch, self.seed, self.shuffle = images, batch, seed, shuffle
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
        if self.shuffle == "once":
            epoch = 0
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = torch.randperm(self.images, generator=generator(self.seed, f"order {epoch}"))
        return self._order
