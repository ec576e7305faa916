"""Run the published client, unchanged, against the local platform: its library and its commands.

    python -m tests.interop PYTHON

PYTHON is that of an environment with what ``requirements.txt`` lists. Fails if a step fails, or if
a public member or a command is neither called nor named with a reason in ``left_out.toml``.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from neuro_client.local import LocalPlatform

from .commands import run_commands
from .exchange import run_exchange

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


def judge(title: str, report: dict[str, Any], left_out: dict[str, str]) -> bool:
    """Print what was called, what was left out and what failed; tell whether all is well."""
    members, used = set(report["members"]), set(report["used"])
    reasons = {
        name: reason
        for pattern, reason in left_out.items()
        for name in fnmatch.filter(members, pattern)
    }
    print(f"\n{title}: {len(report['steps'])} steps, {len(used)} of {len(members)} called")
    for name in sorted(members - used):
        print(f"  not called  {name}: {reasons.get(name, '!! no reason given')}")
    stale = sorted(set(reasons) & used)
    stale += [pattern for pattern in left_out if not fnmatch.filter(members, pattern)]
    for name in stale:
        print(f"  !! {name} is left out, but it was called or does not exist")
    for step, problem in report["failed"].items():
        print(f"  !! {step} failed\n{problem}")
    return not (report["failed"] or stale or members - used - set(reasons))


async def main(python: str) -> bool:
    """Start a platform with two clusters, an organisation and two users, and run everything."""
    left_out = tomllib.loads((HERE / "left_out.toml").read_text("utf-8"))
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
    good = judge("Library", sdk, left_out["sdk"])
    good &= judge("Commands", commands, left_out["commands"])
    good &= judge("Side by side", exchange, {})
    print("\neverything was called, or is named with a reason" if good else "\n!! see above")
    return good


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(sys.argv[1])))
