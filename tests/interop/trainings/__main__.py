"""Run the published client of Run:ai, unchanged, against the platform's trainings.

    python -m tests.interop.trainings ENVIRONMENTS [VERSION…]

ENVIRONMENTS is a folder with an environment for each list of packages beside this file. Fails if a
step does, or if a method that has to do with trainings is not called and ``left_out.toml`` gives no
reason.
"""

from __future__ import annotations

import asyncio
import fnmatch
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
VERSIONS = ("newest", "older")


async def drive(environments: Path, version: str, given: dict[str, Any], home: Path) -> Any:
    """Run the scenario in one environment and return its report."""
    process = await asyncio.create_subprocess_exec(
        str(environments / version / "bin" / "python"),
        str(HERE / "client.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(home), "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8"},
    )
    out, _ = await process.communicate(json.dumps({**given, "prefix": version}).encode())
    if process.returncode:
        failed = {"all": f"the scenario ended with {process.returncode}"}
        return {"steps": [], "failed": failed, "members": [], "used": []}
    return json.loads(out)


def reasons(report: dict[str, Any]) -> dict[str, str]:
    """Return why methods are left out; each reason must be about one that some version has."""
    table = tomllib.loads((HERE / "left_out.toml").read_text("utf-8"))["methods"]
    return {
        pattern: reason
        for pattern, reason in table.items()
        if fnmatch.filter(report["members"], pattern)
    }


async def main(environments: Path, versions: Sequence[str]) -> bool:
    """Start a platform and let every version of the client do its steps."""
    good = True
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with LocalPlatform(data=folder / "platform", port=0) as platform:
            for version in versions:
                report = await drive(environments, version, platform.ready["trainings"], folder)
                good &= judge(f"runapy, {version}", report, reasons(report))
    print("\nevery call was made, or the reason is named" if good else "\n!! see above")
    return good


if __name__ == "__main__":
    chosen = sys.argv[2:] or VERSIONS
    sys.exit(not asyncio.run(main(Path(sys.argv[1]).absolute(), chosen)))
