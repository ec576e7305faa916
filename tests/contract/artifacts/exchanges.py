"""The samples of artifacts: one request and its answer each, in the form of ``../README.md``.

They lie in a folder of their own because the client signs in with a user and a key of its own, not
with the token of the other services.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from ..golden import Sample

SAMPLES = Path(__file__).parent / "samples"
USER, API_KEY = "user-1", "key-1"

FIXED = {
    "user": USER,
    "username": "user",
    "api_key": API_KEY,
    "basic": base64.b64encode(f"{USER}:{API_KEY}".encode()).decode(),
    "cluster": "default",
    "bucket": "grid-default",
    "run": "01hf8a4m1x5wq2b3c4d5e6f7g0",
    "run_name": "mnist",
    "experiment": "01hf8a4m1x5wq2b3c4d5e6f7g1",
    "experiment1": "01hf8a4m1x5wq2b3c4d5e6f7g2",
    "running_run": "01hf8a4m1x5wq2b3c4d5e6f7h0",
    "running_run_name": "long",
    "running_experiment": "01hf8a4m1x5wq2b3c4d5e6f7h1",
    "running_experiment1": "01hf8a4m1x5wq2b3c4d5e6f7h2",
    "new_name": "fresh",
    "datastore": "01hf8a4m1x5wq2b3c4d5e6f7j0",
    "datastore_name": "cifar",
    "upload_id": "up-1",
    "token": "page-2",
}
"""What the placeholders stand for at a recording server, beside its address ``grid``, which
``link``, ``expired_link``, ``gone_link``, ``upload`` and ``part`` begin with."""


def samples() -> list[Sample]:
    """Return all samples."""
    return [
        Sample(f"artifacts/{path.stem}", json.loads(path.read_text("utf-8")))
        for path in sorted(SAMPLES.glob("*.json"))
    ]
