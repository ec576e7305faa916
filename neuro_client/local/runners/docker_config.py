"""What a run looks like to a container engine; pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .base import Mount, RunnerError, RunSpec

_SHARED_MEMORY = 64 << 20
_NEVER = "0001-"


def container_config(spec: RunSpec, *, limits_swap: bool) -> dict[str, Any]:
    """Describe the container of a run; `RunnerError` for what no container can have."""
    host: dict[str, Any] = {
        "NanoCpus": round(spec.cpu * 1e9),
        "Memory": spec.memory,
        "ShmSize": spec.memory if spec.shm else _SHARED_MEMORY,
        "Mounts": [_mount(mount) for mount in spec.mounts],
        "Init": True,
        "NetworkMode": "bridge",
        # Its output is read back from this log, whatever the engine's own choice is.
        "LogConfig": {"Type": "json-file", "Config": {}},
    }
    if limits_swap:
        host["MemorySwap"] = spec.memory
    config: dict[str, Any] = {
        "Image": spec.image,
        "Env": [_variable(name, value) for name, value in spec.env.items()],
        "Tty": spec.tty,
        "OpenStdin": spec.tty,
        "HostConfig": host,
    }
    if spec.entrypoint:
        config["Entrypoint"] = list(spec.argv[: spec.entrypoint])
    if spec.argv[spec.entrypoint :]:
        config["Cmd"] = list(spec.argv[spec.entrypoint :])
    if spec.working_dir:
        config["WorkingDir"] = spec.working_dir
    return config


def epoch(text: str) -> float | None:
    """Read a time of the engine; None for one that has not come."""
    return None if text.startswith(_NEVER) else datetime.fromisoformat(text).timestamp()


def _mount(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(mount.source),
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }


def _variable(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RunnerError(
            f"the value of the variable {name} is not UTF-8, and a container engine takes no "
            "other; mount the secret as a file"
        ) from None
    return f"{name}={value}"
