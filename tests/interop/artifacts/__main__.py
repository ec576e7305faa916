"""Run the published client of Grid, unchanged, against the platform's runs and artifacts.

    python -m tests.interop.artifacts ENVIRONMENT

ENVIRONMENT has the packages of ``requirements.txt`` on Python 3.8. Where it is missing the program
says so and is content. Fails if a step does, or if a command or a public name that has to do with
runs, artifacts or datastores is not used and ``left_out.toml`` gives no reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from neuro_client.local import LocalPlatform

from ..report import judge

HERE = Path(__file__).parent
INTERVAL = 0.2


async def drive(environment: Path, given: dict[str, Any], home: Path) -> Any:
    """Run the scenario and return its report."""
    variables = {
        "GRID_URL": given["url"],
        "GRID_USER_ID": given["user_id"],
        "GRID_API_KEY": given["api_key"],
        "GRID_CLUSTER_ID": given["cluster_id"],
        "GRID_SKIP_VERSION_CHECK": "1",
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
    }
    process = await asyncio.create_subprocess_exec(
        str(environment / "bin" / "python"),
        str(HERE / "client.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=home,
        env=variables,
    )
    out, _ = await process.communicate(json.dumps(given).encode())
    if process.returncode:
        failed = {"all": f"the scenario ended with {process.returncode}"}
        return {"steps": [], "failed": failed, "members": [], "used": []}
    return json.loads(out.splitlines()[-1])


async def main(environment: Path) -> bool:
    """Start a platform and let the client do its steps."""
    if not (environment / "bin" / "grid").exists():
        print(f"\nlightning-grid is not in {environment}: it needs Python 3.8; skipped")
        return True
    reasons = tomllib.loads((HERE / "left_out.toml").read_text("utf-8"))["names"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = folder / "home"
        await asyncio.to_thread(home.mkdir)
        started: Any
        async with LocalPlatform(data=folder / "platform", port=0) as started:
            started.artifacts.timing.interval = INTERVAL
            started.fault("PUT /parts/", times=1, status=403)  # so that there is one to resume
            report = await drive(environment, dict(started.ready["artifacts"]), home)
    good = judge("lightning-grid 0.8.81", report, reasons)
    print("\nevery name was used, or the reason is told" if good else "\n!! see above")
    return good


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(Path(sys.argv[1]).absolute())))
