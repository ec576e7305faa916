"""Keep the model of an NVFlare job: its first weights, and the mean of the workers' after a round.

The weights are written to `model_out/checkpoint.pt`, or to `checkpoint.npz` where PyTorch is not
installed. Replace this file to keep them in another way.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

try:
    import numpy
    from nvflare.app_common.abstract.model import ModelLearnableKey, make_model_learnable
    from nvflare.app_common.abstract.model_persistor import ModelPersistor
except ImportError as error:
    _missing: ImportError | None = error
    ModelPersistor = object
else:
    _missing = None

try:
    import torch
except ImportError:
    torch = None


def build(model: Any) -> Any:
    """Return the model: NVFlare has made it already, or it is described by `path` and `args`."""
    if not isinstance(model, dict):
        return model
    module, _, name = model["path"].rpartition(".")
    return getattr(importlib.import_module(module), name)(**model.get("args", {}))


def state_of(model: Any) -> dict[str, Any]:
    """Return the weights of a model: its `state_dict()`, or else its attribute `weights`."""
    return dict(model.state_dict() if hasattr(model, "state_dict") else model.weights)


def arrays(weights: Any) -> dict[str, Any]:
    """Return weights as NumPy arrays, from tensors on any device or from arrays."""
    return {
        name: value.detach().cpu().numpy() if hasattr(value, "detach") else numpy.asarray(value)
        for name, value in weights.items()
    }


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read weights from what `write_checkpoint` wrote, or from a state dict of PyTorch."""
    if path.suffix == ".npz":
        with numpy.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    if torch is None:
        raise ImportError(f"{str(path)!r} is read with PyTorch; name torch in requirements.txt")
    found = torch.load(path, map_location="cpu", weights_only=True)
    return arrays(found.get("state_dict", found))


def write_checkpoint(folder: Path, weights: dict[str, Any]) -> Path:
    """Write weights under their final name only when they are whole; return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("checkpoint.npz" if torch is None else "checkpoint.pt")
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        if torch is None:
            numpy.savez(file, **weights)
        else:
            torch.save({name: torch.as_tensor(value) for name, value in weights.items()}, file)
    os.replace(draft, path)
    return path


class CustomPersistor(ModelPersistor):
    """Start from a checkpoint in *checkpoint_dir* if one is there, else from a new model."""

    def __init__(self, model: Any = None, checkpoint_dir: str = "/app/model") -> None:
        if _missing is not None:
            raise ImportError(
                f"CustomPersistor runs in NVFlare, which cannot be imported ({_missing}); "
                "name nvflare in requirements.txt"
            ) from _missing
        super().__init__()
        self._model = model
        self._checkpoints = Path(checkpoint_dir)

    def load_model(self, fl_ctx: Any) -> Any:
        """Return the weights of the first round."""
        found = sorted(self._checkpoints.iterdir()) if self._checkpoints.is_dir() else []
        if len(found) > 1:
            raise ValueError(f"{str(self._checkpoints)!r} must hold one checkpoint, not {found}")
        if found:
            self.log_info(fl_ctx, f"starts from {found[0].name}")
            return make_model_learnable(read_checkpoint(found[0]), {})
        return make_model_learnable(arrays(state_of(build(self._model))), {})

    def save_model(self, model: Any, fl_ctx: Any) -> None:
        """Write the weights of the round that ended."""
        run = fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id())
        path = write_checkpoint(Path(run) / "model_out", arrays(model[ModelLearnableKey.WEIGHTS]))
        self.log_info(fl_ctx, f"wrote {path.name}")
