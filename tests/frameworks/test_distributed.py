"""DistributedDataParallel: two processes, each with its own schedule, stay alike to the last bit."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn import functional as F

from clrlib import ScheduleLR, Triangular2

POLICY = Triangular2(base_lr=0.01, max_lr=0.06, step_size=3)
BATCHES = torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(0))


def train(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    schedule = ScheduleLR(optimizer, POLICY)
    rates = []
    for inputs in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), (inputs.sum(1) > 0).long()).backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def half(rank, folder):
    """One process of two, on its half of each batch."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2))
    rates = train(model, BATCHES[:, 4 * rank : 4 * rank + 4])
    torch.save((rates, model.module.state_dict()), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_use_the_same_rates_and_train_what_one_trains(tmp_path):
    multiprocessing.spawn(half, (str(tmp_path),), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    (rates, weights), (others, other_weights) = halves
    assert rates == others == [POLICY(t) for t in range(6)]
    torch.manual_seed(0)
    alone = nn.Linear(4, 2)
    train(alone, BATCHES)
    for name, value in alone.state_dict().items():
        assert torch.equal(weights[name], other_weights[name])
        torch.testing.assert_close(weights[name], value)
