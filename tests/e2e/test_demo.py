"""The product's main job from end to end, as the demo does it: real data, a real classifier."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the demo's data set comes with scikit-learn")

DEMO = Path(__file__).parents[2] / "docs" / "example" / "demo.py"


def test_the_demo_does_what_it_says(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DEMO)],
        capture_output=True,
        text=True,
        timeout=120,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert "* uploading 600 files" in shown
    epochs = re.findall(r"\| epoch (\d): .* accuracy=(0\.\d+)", shown)
    assert [number for number, _ in epochs] == ["1", "2", "3", "4"]
    telemetry = re.findall(r"~ ([\d.]+) CPU, (\d+) MiB", shown)
    assert telemetry, shown
    assert max(int(memory) for _, memory in telemetry) >= 20
    assert "| saved a model with accuracy" in shown
    assert "succeeded" in shown
    found = re.search(r"sha256 matches, accuracy ([\d.]+)%", shown)
    assert found is not None and float(found[1]) > 95
    assert re.search(r"\* done in [\d.]+ s", shown)
    assert list(tmp_path.glob("neuro-client-demo-*")) == []
