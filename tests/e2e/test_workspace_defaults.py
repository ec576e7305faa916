"""The default programs of a workspace handle PyTorch's weights and checkpoints."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .test_pytorch import PYTHON, READY, ROOT

pytestmark = pytest.mark.skipif(not READY.exists(), reason="PyTorch is not installed: make torch")


def test_weights_go_to_a_checkpoint_and_back(tmp_path: Path) -> None:
    program = ROOT / "tests" / "e2e" / "torch_weights.py"
    done = subprocess.run(
        [str(PYTHON), str(program), str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "same": True,
        "files": ["checkpoint.pt"],
        "wrapped": True,
        "refused": True,
    }
