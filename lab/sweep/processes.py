"""One training in several processes, started by torchrun: each computes its share of every batch."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lab.nets.inputs import FromImages
from lab.training.alone import ALONE, Alone
from lab.training.device import pick_device

T = TypeVar("T")
TIMEOUT = timedelta(minutes=30)  # of a process for the others; a download of the data fits in
_interrupted = threading.Event()


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started, of which only the first prints. Does nothing without torchrun.

    With GPUs each process takes one of its own (nccl); CPUs use gloo. Raises ValueError for too few GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    on_cuda = pick_device().type == "cuda"
    if on_cuda:
        wanted, there = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
        if wanted > there:
            raise ValueError(f"{wanted} processes were started on a machine with {there} GPUs; start one for each GPU")
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # what concerns the processes alone goes through gloo on GPUs too: nccl would wait for the GPU's work each time
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_cuda else "gloo", timeout=TIMEOUT)
    with ExitStack() as stack:
        if dist.get_rank():
            stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))  # noqa: PTH123
        yield
    dist.destroy_process_group()  # not after an error: the others may be waiting, and see this process end


def here() -> Alone:
    """The group of processes that train together: Together once they are joined, else ALONE."""
    joined = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    return Together(dist.get_world_size(), dist.get_rank()) if joined else ALONE


class Together(Alone):
    """Several processes connected by torch.distributed. All must call the same methods in the same order."""

    def __init__(self, size: int, rank: int) -> None:
        self.size, self.rank = size, rank
        self.on_this_machine = int(os.environ.get("LOCAL_WORLD_SIZE", size))

    def share(self, whole: Any) -> Any:
        """This process's part of a tensor or array along its first dimension: the parts laid end to end are the whole.

        >>> Together(size=2, rank=1).share(torch.arange(5))
        tensor([2, 3, 4])
        """
        return whole[len(whole) * self.rank // self.size : len(whole) * (self.rank + 1) // self.size]

    def average(self, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def total(self, *numbers: float) -> list[float]:
        """Each number, at least one, summed over the processes in float64."""
        sums = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(sums)
        return [*sums.tolist()]

    def agree(self, value: T) -> T:
        box = [value if self.rank == 0 else None]
        dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]  # type: ignore[return-value]

    def by_the_first(self, act: Callable[[], T]) -> T:
        value, failed = None, None
        if self.rank == 0:
            try:
                value = act()
            except Exception as error:  # whatever it is, the others would wait for it in vain
                failed = error
        value, failed = self.agree((value, failed))
        if failed is not None:
            raise failed
        return value  # type: ignore[return-value]

    @contextmanager
    def first_on_each_machine(self) -> Iterator[None]:
        first = int(os.environ.get("LOCAL_RANK", self.rank)) == 0
        try:
            if not first:
                self.total(0)
            yield
        finally:
            if first:  # after an error too, for the others to come to it themselves
                self.total(0)

    @contextmanager
    def interrupts_noted(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, lambda *_: _interrupted.set())
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def interrupted(self) -> bool:
        was = _interrupted.is_set()
        _interrupted.clear()
        return was

    def parallel(self, net: nn.Module, batch: int) -> nn.Module:
        """The net as all processes train it: gradients averaged, random numbers drawn for the whole batch.

        Its parameters stay the net's own. Raises ValueError for a batch that does not divide by the processes, and for
        batch normalisation, whose statistics would be those of a part of the batch: another training.
        """
        if batch % self.size:
            fix = "start a number that divides it"
            raise ValueError(f"a batch of {batch} does not divide by {self.size} processes; {fix}")
        for parent in [*net.modules()]:
            if isinstance(parent, nn.modules.batchnorm._BatchNorm):
                raise ValueError(
                    f"the net has batch normalisation, which {self.size} processes would compute over parts of the "
                    "batch; train it in one process"
                )
            if isinstance(parent, FromImages):
                parent.drawn = self._drawn
            for name, layer in parent.named_children():
                if type(layer) is nn.Dropout:
                    setattr(parent, name, Dropout(layer.p, self))
        return DistributedDataParallel(net)

    def _drawn(self, draw: Callable[[int], Tensor], count: int) -> Tensor:
        """Draw the whole batch's numbers, as one process would, and return this process's share."""
        share: Tensor = self.share(draw(self.size * count))
        return share

    def check_same(self, *facts: object) -> None:
        (others,) = self.total(facts != self.agree(facts))
        if others:
            what = f"{others:.0f} of {self.size} processes have another run or other data than the first"
            raise ValueError(f"{what}; fix them")


class Dropout(nn.Dropout):
    """nn.Dropout with the masks that one process would draw for the whole batch.

    Draws the mask for a whole batch made of copies of this share, with its layout and dtype, then keeps this share.
    """

    def __init__(self, p: float, processes: Alone) -> None:
        super().__init__(p)
        self.processes = processes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mine: Tensor = self.processes.share(super().forward(torch.cat([x] * self.processes.size)))
        return mine
