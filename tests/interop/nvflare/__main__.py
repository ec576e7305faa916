"""Run the default files of a workspace in NVFlare itself, with two workers on this machine.

    python -m tests.interop.nvflare PYTHON

PYTHON is an interpreter with NVFlare. The model has NumPy's arrays for weights, so PyTorch is not
needed. A second run, of a model with lists, starts from the checkpoint of the first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs

from neuro_client.workspaces import templates
from neuro_client.workspaces.templates import Configs

HERE = Path(__file__).parent
CONFIGS = Configs(
    "demo", "Net", {"size": 3}, num_rounds=2, min_clients=2, extras={"STEP": 2.0}, batch_size=4
)


def lay_out(job: Path, configs: Configs, checkpoints: Path) -> None:
    """Write the files where NVFlare wants them; the server looks for a checkpoint there."""
    places = {"scripts": job / "app" / "custom", "configs": job / "app" / "config"}
    for place in places.values():
        place.mkdir(parents=True)
    for key, content in templates.render(configs).items():
        folder, _, name = key.partition("/")
        if key == templates.META:
            (job / name).write_bytes(content)
        elif folder in places:
            (places[folder] / name).write_bytes(content)
    (places["scripts"] / "model_def.py").write_bytes((HERE / "model_def.py").read_bytes())
    config = job / "app" / "config" / "config_fed_server.json"
    document = json.loads(config.read_text())
    [persistor] = [part for part in document["components"] if part["id"] == "persistor"]
    persistor["args"]["checkpoint_dir"] = str(checkpoints)
    config.write_text(json.dumps(document))


def train(python: Path, place: Path, configs: Configs, checkpoints: Path) -> Path:
    """Run a job to its end and return its folder."""
    lay_out(place / "job", configs, checkpoints)
    program = python.with_name("nvflare")
    work = place / "work"
    command = [str(program), "simulator", "-w", str(work), "-n", "2", "-t", "2", str(place / "job")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        sys.exit(f"NVFlare failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return work


def check(python: Path, work: Path, expected: list[float]) -> None:
    """Compare the weights that the server wrote, and look for what the workers wrote."""
    checkpoint = work / "server" / "simulate_job" / "model_out" / "checkpoint.npz"
    program = "import numpy, sys; print(numpy.load(sys.argv[1])['layer'].tolist())"
    shown = subprocess.run(
        [str(python), "-c", program, str(checkpoint)], capture_output=True, text=True, check=True
    )
    if json.loads(shown.stdout) != expected:
        sys.exit(f"the weights are {shown.stdout.strip()}, not {expected}")
    for site in ("site-1", "site-2"):
        env = work / site / "simulate_job" / "files_out" / "env.json"
        told = json.loads(env.read_text())
        wanted = {"EPOCHS": 1, "BATCH_SIZE": 4, "LR": 0.001, "STEP": 2.0}
        if {key: told.get(key) for key in wanted} != wanted:
            sys.exit(f"fl_train of {site} was told {told}")
    print(f"weights {expected}, as they should be")


def main(python: Path) -> None:
    """Train from the beginning, then from the checkpoint."""
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name, "first"), Path(name, "second")
        work = train(python, first, CONFIGS, first / "none")
        check(python, work, [4.0, 4.0, 4.0])
        once = attrs.evolve(CONFIGS, num_rounds=1, model_class="Plain")
        work = train(python, second, once, work / "server" / "simulate_job" / "model_out")
        check(python, work, [6.0, 6.0, 6.0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
