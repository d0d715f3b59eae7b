"""The device and precision of a training. Refusals are in test_bad_settings.py."""

import pytest
import torch

from lab.training import device


@pytest.mark.parametrize(("named", "has", "taken"), [("", True, "cuda"), ("cpu", True, "cpu"), ("cuda", True, "cuda")])
def test_the_device_that_is_named_is_taken(named: str, has: bool, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_DEVICE", named)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has)
    assert device.pick_device().type == taken


@pytest.mark.parametrize("abilities", [{"amx_bf16": True, "avx512_bf16": True}, {}])
@pytest.mark.parametrize(("named", "taken"), [("", "float32"), ("float32", "float32"), ("bfloat16", "bfloat16")])
def test_trainings_are_in_float32_but_where_another_precision_is_named(
    abilities: dict[str, bool], named: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the processor is made for."""
    monkeypatch.setenv("CLRLIB_PRECISION", named)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert device.pick_precision() == taken
