"""Several processes and one: what each answers, and what is refused, without starting any."""

from pathlib import Path

import pytest
import torch
from torch import nn

from lab.cli import __main__ as command_line
from lab.sweep import processes
from lab.training.alone import ALONE, Alone


@pytest.mark.parametrize("command", ["train --jobs 2", "figures"])
def test_other_commands_are_refused_under_torchrun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr(processes, "here", lambda: processes.Together(2, 0))
    assert command_line.main(command.split()) == 1
    error = f"error: torchrun is for one training at a time, not for {command}; give train alone\n"
    assert capsys.readouterr().err == error


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(ValueError, match="2 processes were started on a machine with 1 GPUs; start one for each GPU"):
        processes.joined().__enter__()


def test_alone_everything_is_as_it_was_given(tmp_path: Path) -> None:
    x, net = torch.ones(3), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    alone = processes.here()
    assert alone is ALONE and alone.share(x) is alone.average(x) is alone.agree(x) is x
    assert alone.total(1, 2) == [1, 2]
    assert alone.parallel(net, batch=3) is net and type(net[1]) is nn.Dropout
    assert (alone.size, alone.rank, alone.on_this_machine) == (1, 0, 1)


def test_several_answer_every_call_of_one() -> None:
    """Or a call would be answered for one process alone."""
    calls = {name for name, value in vars(Alone).items() if callable(value)}
    assert calls == calls & vars(processes.Together).keys() and len(calls) >= 10
