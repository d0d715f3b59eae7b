"""What this machine can do, for the tests that ask for it."""

import pytest
import torch

HAS_BFLOAT16 = any(torch.cpu.get_capabilities().get(name) for name in ("amx_bf16", "avx512_bf16"))
WHERE_BFLOAT16_IS_THERE = pytest.mark.skipif(
    not HAS_BFLOAT16, reason="this processor has no bfloat16: it would take minutes"
)
