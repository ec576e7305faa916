"""Submit in processes that are killed: one interpreter forks a process for each line it reads."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from neuro_client.workspaces import Configs, Workspaces
from neuro_client.workspaces import objects as _objects  # loaded once for all processes


def say(what: dict[str, Any]) -> None:
    """Write a line."""
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


async def submit(order: dict[str, Any]) -> None:
    """Submit once and say which task it is."""
    async with Workspaces.connect(order["url"], **order["settings"]) as workspaces:
        task = await workspaces.submit(
            order["name"],
            {"model_def.py": order["model"]},
            Configs(**order["configs"]),
            shards=Path(order["shards"]),
            presigned=order["presigned"],
        )
    say({"task": task.id})


def main() -> None:
    """Fork for each line, wait for the child, say how it ended.

    A child waits for a signal, so that whoever is to kill it knows it before its first request.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    assert _objects.__name__
    say({"ready": True})
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                signal.sigwait({signal.SIGUSR1})
                asyncio.run(submit(json.loads(line)))
            finally:
                os._exit(0)
        say({"child": child})
        _, status = os.waitpid(child, 0)
        say({"ended": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
