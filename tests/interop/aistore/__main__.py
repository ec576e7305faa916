"""Run the published AIStore SDK, unchanged, against the local stand-in of a cluster.

    python -m tests.interop.aistore ENVIRONMENT…

Each ENVIRONMENT has the packages of one of the lists beside this file. The scenario runs there; it
finds the public members of the SDK's classes by introspection, and fails if one is neither called
nor left out with a reason in ``left_out.toml``, or if a step fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuro_client.local import LocalPlatform

from ..report import judge

HERE = Path(__file__).parent
REMOTE = {"r/one": b"one", "r/two": b"two two", "big": b"0123456789" * 300_000}


def prepare(platform: LocalPlatform) -> dict[str, str]:
    """Put objects into a cloud bucket and files where they may be promoted; blocks."""
    cluster = platform.aistore
    bucket = cluster.remote_root / "aws" / "cloud"
    for name, content in REMOTE.items():
        path = bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder = cluster.promote_root / "folder"
    folder.mkdir(parents=True)
    (folder / "f1").write_bytes(b"promoted 1")
    (folder / "f2").write_bytes(b"promoted 2")
    return {"promote": str(folder), "url": str(cluster.url).rstrip("/")}


def left_out(version: str) -> dict[str, str]:
    """Read which members are not called, and why: of all versions, and of this one."""
    document = tomllib.loads((HERE / "left_out.toml").read_text("utf-8"))
    found: dict[str, str] = document["all"] | document.get(version.partition(".")[0], {})
    return found


async def drive(environment: Path, given: dict[str, str]) -> dict[str, Any]:
    """Run the scenario in an environment and return its report."""
    process = await asyncio.create_subprocess_exec(
        str(environment / "bin" / "python"),
        str(HERE / "sdk.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={name: text for name, text in os.environ.items() if not name.startswith("AIS_")},
    )
    out, _ = await process.communicate(json.dumps(given).encode())
    if process.returncode:
        raise SystemExit(f"The scenario in {environment} ended with {process.returncode}")
    report: dict[str, Any] = json.loads(out)
    return report


async def main(environments: Sequence[Path]) -> bool:
    """Run the scenario in every environment, each on a platform of its own."""
    good = True
    for environment in environments:
        with tempfile.TemporaryDirectory() as place:
            async with LocalPlatform(data=Path(place) / "platform", port=0) as platform:
                platform.aistore.jobs.idle_time = 0.3
                platform.aistore.status_delay = 0.1
                platform.aistore.etl_python = str(environment / "bin" / "python")
                given = await asyncio.to_thread(prepare, platform)
                report = await drive(environment, given | {"folder": place})
        title = f"aistore {report['version']}"
        good &= judge(title, report, left_out(report["version"]))
    print("\nevery public member was called, or the reason is named" if good else "\n!! see above")
    return good


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    sys.exit(not asyncio.run(main([Path(word).absolute() for word in sys.argv[1:]])))
