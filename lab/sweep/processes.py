"""One training over several processes, which torchrun starts: each computes its share of every batch.

Alone, as almost always, every function here gives back what it was given.
"""

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

from lab.training.device import pick_device

T = TypeVar("T")
TIMEOUT = timedelta(minutes=30)  # of a process for the others; a download of the data fits in
_interrupted = threading.Event()


@contextmanager
def processes() -> Iterator[None]:
    """Join the processes that torchrun started; within it only the first one prints. Alone: nothing.

    On GPUs each process has its own (nccl), on CPUs they talk through gloo. Raises ValueError for too few GPUs.
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
        if rank():
            stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))  # noqa: PTH123
        yield
    dist.destroy_process_group()  # not after an error: the others may be waiting, and see this process end


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is; 0 is the one that decides, prints and writes."""
    return dist.get_rank() if size() > 1 else 0


def on_this_machine() -> int:
    """How many of them share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", size())) if size() > 1 else 1


def share(whole: Any) -> Any:
    """This process's part of a tensor or array along its first dimension: the parts laid end to end are the whole.

    >>> share(torch.arange(4))
    tensor([0, 1, 2, 3])
    """
    return whole if size() == 1 else whole[len(whole) * rank() // size() : len(whole) * (rank() + 1) // size()]


def average(value: Tensor) -> Tensor:
    """The mean of a tensor over the processes."""
    if size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / size()


def total(*numbers: float) -> list[float]:
    """Each number, at least one, summed over the processes in float64. All wait here for all."""
    if size() == 1:
        return [*numbers]
    sums = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(sums)
    return [*sums.tolist()]


def agree(value: T) -> T:
    """What the first process has, in all of them."""
    if size() == 1:
        return value
    box = [value if rank() == 0 else None]
    dist.broadcast_object_list(box, device=torch.device("cpu"))
    return box[0]  # type: ignore[return-value]


def by_the_first(act: Callable[[], T]) -> T:
    """What act gives in the first process, in all of them; its error too, so that all end with the same sentence."""
    if size() == 1:
        return act()
    found, failed = None, None
    if rank() == 0:
        try:
            found = act()
        except Exception as error:  # whatever it is, the others would wait for it in vain
            failed = error
    found, failed = agree((found, failed))
    if failed is not None:
        raise failed
    return found  # type: ignore[return-value]


@contextmanager
def first_on_each_machine() -> Iterator[None]:
    """Within it one process of each machine goes first, so that the others find what it downloads or compiles."""
    first = size() == 1 or int(os.environ.get("LOCAL_RANK", rank())) == 0
    try:
        if not first:
            total(0)
        yield
    finally:
        if first:  # after an error too, for the others to come to it themselves
            total(0)


@contextmanager
def interrupts_noted() -> Iterator[None]:
    """Within it Ctrl-C is noted for interrupted(), so that the processes can save and stop together. Alone: nothing."""
    if size() == 1 or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: _interrupted.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted() -> bool:
    """Whether Ctrl-C was noted since this was last asked."""
    was = _interrupted.is_set()
    _interrupted.clear()
    return was


class Dropout(nn.Dropout):
    """nn.Dropout of the whole batch, of which each process has its share: the masks are those of one process.

    The whole batch's activation is made up of copies of the own part, in its layout and number format: what is drawn
    for it is what one process would draw.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mine: Tensor = share(super().forward(torch.cat([x] * size())))
        return mine


def parallel(net: nn.Module, batch: int) -> nn.Module:
    """The net as all processes train it together: gradients averaged, dropout drawn for the whole batch.

    Its parameters stay the net's own. Alone: the net. batch: of all processes together.
    Raises ValueError for a batch that does not divide by the processes, and for batch normalisation, whose statistics
    would be those of a part of the batch: another training.
    """
    if size() == 1:
        return net
    if batch % size():
        raise ValueError(f"a batch of {batch} does not divide by {size()} processes; start a number that divides it")
    for parent in [*net.modules()]:
        if isinstance(parent, nn.modules.batchnorm._BatchNorm):
            raise ValueError(
                f"the net has batch normalisation, which {size()} processes would compute over parts of the batch; "
                "train it in one process"
            )
        for name, layer in parent.named_children():
            if type(layer) is nn.Dropout:
                setattr(parent, name, Dropout(layer.p))
    return DistributedDataParallel(net)


def check_same(*facts: object) -> None:
    """Raises ValueError, in all processes, where one has other facts than the first one."""
    (others,) = total(facts != agree(facts))
    if others:
        raise ValueError(f"{others:.0f} of {size()} processes have another run or other data than the first; mend them")
