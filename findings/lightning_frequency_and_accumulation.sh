#!/usr/bin/env bash
# Lightning counts a scheduler's frequency in batches: over gradients of four batches, 4 steps it more often than 3.
# Guess: "interval": "step", "frequency": n steps the scheduler after every n steps of the optimizer.
# What happens: it steps where the optimizer has stepped and the number of batches is a multiple of n. With
#   accumulate_grad_batches=4, 1, 2 and 4 all mean every step of the optimizer, and 3 means every third.
# Versions: lightning 2.6.6 with torch 2.13.0.
# Why it matters: accumulation is switched on for a smaller GPU, and a schedule that moved every second step of the
#   optimizer moves at every one.
# Instead: leave frequency at 1, and put the number of steps into the schedule.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile lightning==2.6.6 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import logging
import sys

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

print("Python", sys.version.split()[0], "lightning", lightning.__version__, "torch", torch.__version__)
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


class Net(lightning.LightningModule):
    def __init__(self, frequency):
        super().__init__()
        self.layer, self.frequency, self.used = torch.nn.Linear(1, 1), frequency, []

    def training_step(self, batch, index):
        return self.layer(batch[0]).sum()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=8.0)
        optimizer.register_step_pre_hook(lambda stepped, *_: self.used.append(stepped.param_groups[0]["lr"]))
        halved = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        return [optimizer], [{"scheduler": halved, "interval": "step", "frequency": self.frequency}]


seen = {}
for frequency in (1, 2, 3, 4):
    net = Net(frequency)
    trainer = lightning.Trainer(max_epochs=1, accumulate_grad_batches=4, accelerator="cpu", **QUIET)
    trainer.fit(net, DataLoader(TensorDataset(torch.ones(16, 1)), batch_size=1))
    seen[frequency] = net.used
    print("frequency", frequency, "expected", [8 * 0.5 ** (step // frequency) for step in range(4)], "seen", net.used)
if not seen[1] == seen[2] == seen[4] == [8, 4, 2, 1] or seen[3] != [8, 8, 8, 4]:
    sys.exit("the behaviour has changed")
PY
