"""What a training runs on, and in which precision. What is refused: test_bad_settings.py."""

import pytest
import torch

from clrlib.lab import device


@pytest.mark.parametrize(("named", "has", "found"), [("", True, "cuda"), ("cpu", True, "cpu"), ("cuda", True, "cuda")])
def test_the_device_that_is_named_is_taken(named: str, has: bool, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_DEVICE", named)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has)
    assert device.pick_device().type == found


@pytest.mark.parametrize(
    ("abilities", "precision"),
    [
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, "float32"),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": False}, "float32"),
        ({"cpu_name": "Unknown", "avx512_bf16": True}, "float32"),
        ({"architecture": "arm64"}, "float32"),
    ],
)
def test_bfloat16_is_taken_with_amx_or_amds_avx512(
    abilities: dict[str, str | bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLRLIB_PRECISION", raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert device.pick_precision(torch.device("cpu")) == precision


@pytest.mark.parametrize("named", ["float32", "bfloat16"])
@pytest.mark.parametrize("fast", [True, False])
def test_the_precision_that_is_named_is_taken(named: str, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_PRECISION", named)
    monkeypatch.setattr(device, "multiplies_bfloat16_fast", lambda device: fast)
    assert device.pick_precision(torch.device("cpu")) == named
