"""Workspaces as they lie in a bucket, with a model of two numbers that needs no library."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

MODEL = """
import json, os, pathlib, time

class Net:
    def __init__(self, start=0.0):
        self.weights = {"layer": [start, start]}

def fl_train(model, env, output_dir, logger=None):
    shard = json.loads(pathlib.Path("/app/payload/data.json").read_text())
    first, second = model.weights["layer"]
    print("training on", shard["name"])
    pathlib.Path(output_dir, "note.txt").write_text(json.dumps(env))
    %s
    return {"weights": {"layer": [first + shard["add"], second]}, "samples": shard["samples"]}
"""
BODY = {
    "trainingScriptsFolderPath": "scripts",
    "trainingConfigFolderPath": "configs",
    "trainingRequirementsFolderPath": "requirements",
    "shardsDirPath": "shards",
}


def model(extra: str = "pass") -> str:
    """Return a model's module that does something more in ``fl_train``."""
    return MODEL % extra


def archive(content: Mapping[str, str]) -> bytes:
    """Return a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, text in content.items():
            file.writestr(name, text)
    return packed.getvalue()


def torn() -> bytes:
    """Return a zip whose directory is whole and whose compressed content is not."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", "b" * 100)
    data = bytearray(packed.getvalue())
    data[31:35] = b"\xff" * 4  # behind the header, which has 30 bytes and the name
    return bytes(data)


def shard(add: float, samples: int = 1, name: str = "some") -> bytes:
    """Return a shard that ``MODEL`` reads."""
    document = {"add": add, "samples": samples, "name": name}
    return archive({"data.json": json.dumps(document)})


def workspace(
    slug: str,
    script: str = "pass",
    *,
    shards: Sequence[bytes] | None = None,
    rounds: int = 1,
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Return the objects of a workspace by their keys."""
    given = {"model_class": "Net", "model_args": {"start": 1.0}, **(arguments or {})}
    client = {"format_version": 2, "executors": [{"executor": {"args": given}}]}
    workflow = {"id": "scatter_and_gather", "args": {"num_rounds": rounds}}
    texts = {
        "scripts/model_def.py": model(script),
        "scripts/custom_client_executor.py": "",
        "scripts/custom_persistor.py": "",
        "configs/config_fed_client.json": json.dumps(client),
        "configs/config_fed_server.json": json.dumps({"workflows": [workflow]}),
        "configs/meta.json": json.dumps({"name": slug}),
        "requirements/requirements.txt": "torch\nnvflare\n",
    }
    found = {f"jobs/{slug}/{name}": text.encode() for name, text in texts.items()}
    packed = [shard(1.0)] if shards is None else shards
    found |= {f"jobs/{slug}/shards/shard_{n}.zip": data for n, data in enumerate(packed)}
    return found


def body(slug: str, name: str = "My Run", **more: Any) -> dict[str, Any]:
    """Return the request for a task on a workspace."""
    paths = {field: f"/jobs/{slug}/{folder}" for field, folder in BODY.items()}
    return {"name": name, **paths, **more}
