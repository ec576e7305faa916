"""Run a scenario of calls where a published client is installed."""

from __future__ import annotations

import asyncio
import fnmatch
import json
import os
import tomllib
from pathlib import Path
from typing import Any


async def drive(python: Path, script: Path, given: dict[str, Any], home: Path) -> Any:
    """Give a script what it needs, as JSON, and return its report."""
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(home), "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8"},
    )
    out, _ = await process.communicate(json.dumps(given).encode())
    if process.returncode:
        failed = {"all": f"the scenario ended with {process.returncode}"}
        return {"steps": [], "failed": failed, "members": [], "used": []}
    return json.loads(out)


def reasons(file: Path, table: str, report: dict[str, Any]) -> dict[str, str]:
    """Return why members are left out; each reason must be about one that some version has."""
    found = tomllib.loads(file.read_text("utf-8"))[table]
    return {
        pattern: reason
        for pattern, reason in found.items()
        if fnmatch.filter(report["members"], pattern)
    }
