"""Run the published client, unchanged, against the local platform: its library and its commands.

    python -m tests.interop PYTHON

PYTHON is that of an environment with what ``requirements.txt`` lists. Fails if a step fails, or if
a public member or a command is neither called nor named with a reason in ``left_out.toml``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from neuro_client.local import LocalPlatform

from .commands import run_commands
from .exchange import run_exchange
from .report import judge, left_out

HERE = Path(__file__).parent


async def run_sdk(python: str, given: dict[str, Any]) -> dict[str, Any]:
    """Run the scenario of the library in its own environment."""
    process = await asyncio.create_subprocess_exec(
        python,
        str(HERE / "sdk.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(given).encode())
    if process.returncode:
        raise SystemExit(f"the scenario of the library ended with {process.returncode}")
    report: dict[str, Any] = json.loads(out)
    return report


async def main(python: str) -> bool:
    """Start a platform with two clusters, an organisation and two users, and run everything."""
    reasons = left_out()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("commands", "sdk"):
            (folder / part).mkdir()
        async with LocalPlatform(
            data=folder / "platform", port=0, clusters=("default", "second"), orgs=("team",)
        ) as platform:
            neuro = str(Path(python).parent / "neuro")
            commands = await run_commands(platform, neuro, folder / "commands")
            exchange = await run_exchange(platform, python, neuro, folder)
            given = {
                "folder": str(folder / "sdk"),
                "config": str(folder / "commands" / "config"),
                "api_url": str(platform.api_url),
                "token": platform.token,
                "bob_token": await platform.add_user("bob"),
            }
            sdk = await run_sdk(python, given)
    good = judge("Library", sdk, reasons["sdk"])
    good &= judge("Commands", commands, reasons["commands"])
    good &= judge("Side by side", exchange, {})
    print("\neverything was called, or is named with a reason" if good else "\n!! see above")
    return good


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(sys.argv[1])))
