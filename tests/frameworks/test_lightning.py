"""Lightning: `configure_optimizers` with interval "step", and a training that goes on from its checkpoint."""

import warnings

import pytest
import torch
from torch.nn import functional as F

from clrlib import ScheduleLR

with warnings.catch_warnings():  # its own dependencies' deprecations
    warnings.simplefilter("ignore")
    import lightning as L

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*:UserWarning:lightning"
)


class Net(L.LightningModule):
    def __init__(self, model, policy, used):
        super().__init__()
        self.model, self.policy, self.used = model, policy, used

    def training_step(self, batch, index):
        inputs, targets = batch
        return F.cross_entropy(self.model(inputs), targets)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters())
        self.rates = self.used(optimizer)
        schedule = ScheduleLR(optimizer, self.policy)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def trainer(folder, epochs, accumulate=1):
    silent = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    options = {"max_epochs": epochs, "accumulate_grad_batches": accumulate, "default_root_dir": folder}
    return L.Trainer(accelerator="cpu", **options, **silent)


@pytest.mark.parametrize(("epochs", "accumulate"), [(2, 1), (1, 2)])
def test_each_step_uses_the_rate_of_its_iteration(model, loader, policy, used, tmp_path, epochs, accumulate):
    net = Net(model, policy, used)
    trainer(tmp_path, epochs, accumulate).fit(net, loader)
    assert net.rates == [policy(t) for t in range(12 * epochs // accumulate)]


def test_a_checkpoint_goes_on_at_its_iteration(model, loader, policy, used, tmp_path):
    first = trainer(tmp_path, 1)
    first.fit(Net(model, policy, used), loader)
    first.save_checkpoint(tmp_path / "half.ckpt")
    again = Net(model, policy, used)
    trainer(tmp_path, 2).fit(again, loader, ckpt_path=tmp_path / "half.ckpt")
    assert again.rates == [policy(t) for t in range(12, 24)]
