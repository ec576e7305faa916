"""Take the weights of a PyTorch model out, to a checkpoint and back; runs where PyTorch is."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from neuro_client.workspaces.defaults.custom_client_executor import load_weights, to_arrays
from neuro_client.workspaces.defaults.custom_persistor import read_checkpoint, write_checkpoint

torch: Any = import_module("torch")


def make_model() -> Any:
    """Return a model with weights, and a counter that is a whole number."""
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


def main(folder: Path) -> None:
    """Print what became of the weights, as JSON."""
    first, second = make_model(), make_model()
    arrays = to_arrays(first.state_dict())
    path = write_checkpoint(folder / "model_out", arrays)
    # As the mean over workers has it.
    averaged = {name: value.astype("float64") for name, value in read_checkpoint(path).items()}
    load_weights(second, {**averaged, "of another model": averaged["0.bias"]})
    torch.save({"state_dict": first.state_dict()}, folder / "training.pth")
    torch.save(Code(), folder / "program.pt")
    refused = False
    try:
        read_checkpoint(folder / "program.pt")
    except Exception:
        refused = True
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    found = {
        "same": all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs),
        "files": sorted(item.name for item in path.parent.iterdir()),
        "wrapped": sorted(read_checkpoint(folder / "training.pth")) == sorted(arrays),
        "refused": refused,
    }
    print(json.dumps(found))


class Code:
    """Be an object whose reading would run a program."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit(3)",)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
