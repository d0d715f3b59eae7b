"""Hugging Face's Trainer: optimizer and schedule handed over as a pair, and a training that goes on from its folder."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

from clrlib import ScheduleLR

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*pin_memory.*:UserWarning")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 2)

    def forward(self, inputs, labels):
        scores = self.linear(inputs)
        return {"loss": F.cross_entropy(scores, labels), "logits": scores}


def trainer(data, policy, used, folder, steps, accumulate=1):
    net = Net()
    optimizer = torch.optim.SGD(net.parameters())
    options = {"max_steps": steps, "save_steps": 6, "gradient_accumulation_steps": accumulate, "use_cpu": True}
    quiet = {"report_to": [], "disable_tqdm": True, "remove_unused_columns": False}
    arguments = TrainingArguments(output_dir=str(folder), per_device_train_batch_size=4, **options, **quiet)
    examples = [{"inputs": inputs, "labels": label} for inputs, label in data]
    schedule = ScheduleLR(optimizer, policy)
    return Trainer(net, arguments, train_dataset=examples, optimizers=(optimizer, schedule)), used(optimizer)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_each_step_uses_the_rate_of_its_iteration(data, policy, used, tmp_path, accumulate):
    training, rates = trainer(data, policy, used, tmp_path, 12, accumulate)
    training.train()
    assert rates == [policy(t) for t in range(12)]


def test_a_folder_goes_on_at_its_iteration(data, policy, used, tmp_path):
    trainer(data, policy, used, tmp_path, 6)[0].train()
    training, rates = trainer(data, policy, used, tmp_path, 12)
    training.train(resume_from_checkpoint=str(tmp_path / "checkpoint-6"))
    assert rates == [policy(t) for t in range(6, 12)]
