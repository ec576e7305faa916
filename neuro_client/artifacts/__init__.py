"""Artifacts of Grid runs: capture them, find them, bring them home (grid-artifacts.md).

Names are loaded when they are first used: whoever captures needs none of the client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import DESTINATION, Artifacts
    from .capture import (
        Capture,
        CaptureChangedError,
        CaptureFile,
        CaptureNote,
        CaptureReport,
        CaptureStore,
        Inventory,
        take_inventory,
    )
    from .capture_store import CaptureInto
    from .datastores import Unfinished
    from .errors import LinkExpiredError
    from .models import (
        Artifact,
        BucketPath,
        Datastore,
        Experiment,
        ExperimentCounts,
        ExperimentEvent,
        ExperimentPhase,
        GridCluster,
        GridRun,
        RunPhase,
    )
    from .run import ExperimentRun
    from .submission import DatastoreMount, RunRequest

_HOMES = {
    "api": "DESTINATION Artifacts",
    "capture": (
        "Capture CaptureChangedError CaptureFile CaptureNote CaptureReport CaptureStore "
        "Inventory take_inventory"
    ),
    "capture_store": "CaptureInto",
    "datastores": "Unfinished",
    "errors": "LinkExpiredError",
    "models": (
        "Artifact BucketPath Datastore Experiment ExperimentCounts ExperimentEvent "
        "ExperimentPhase GridCluster GridRun RunPhase"
    ),
    "run": "ExperimentRun",
    "submission": "DatastoreMount RunRequest",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "DESTINATION",
    "Artifact",
    "Artifacts",
    "BucketPath",
    "Capture",
    "CaptureChangedError",
    "CaptureFile",
    "CaptureInto",
    "CaptureNote",
    "CaptureReport",
    "CaptureStore",
    "Datastore",
    "DatastoreMount",
    "Experiment",
    "ExperimentCounts",
    "ExperimentEvent",
    "ExperimentPhase",
    "ExperimentRun",
    "GridCluster",
    "GridRun",
    "Inventory",
    "LinkExpiredError",
    "RunPhase",
    "RunRequest",
    "Unfinished",
    "take_inventory",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
