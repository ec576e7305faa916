"""Run the published client of workspaces, unchanged, against the platform.

    python -m tests.interop.workspaces ENVIRONMENTS [VERSION…]

ENVIRONMENTS is a folder with an environment for each list of packages beside this file. Each
version runs on the platform's own S3 endpoint and, where the program is built, on a real Garage.
Fails if a step does, or if a member of the client is not used and ``left_out.toml`` gives no
reason.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
from yarl import URL

from neuro_client.local import LocalPlatform
from neuro_client.local.settings import GarageSettings

from ...integration.buckets.garage import ABSENT, find, garage_node
from ..report import judge
from ..scenario import drive, reasons

HERE = Path(__file__).parent
VERSIONS = ("newest", "older")
QUOTA = 64 * 2**20
EMAIL, PASSWORD = "user@example.org", "open sesame"


async def on(
    place: str, garage: GarageSettings | None, environments: Path, versions: Sequence[str]
) -> bool:
    """Start a platform and let every version of the client do its steps."""
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with LocalPlatform(data=folder / "platform", port=0, garage=garage) as platform:
            workspaces: Any = platform.workspaces
            ready = platform.ready["workspaces"]
            for version in versions:
                member = await workspaces.add_user(
                    version, email=f"{version}-{EMAIL}", password=PASSWORD
                )
                await workspaces.set_quota(version, size=QUOTA)
                given = {
                    **ready,
                    **attrs.asdict(member),
                    "email": f"{version}-{EMAIL}",
                    "password": PASSWORD,
                    "quota": QUOTA,
                    "prefix": version,
                }
                python = environments / version / "bin" / "python"
                report = await drive(python, HERE / "client.py", given, folder)
                title = f"resontech {report.get('version', version)} on {place}"
                left_out = reasons(HERE / "left_out.toml", "members", report)
                good &= judge(title, report, left_out)
    return good


async def main(environments: Path, versions: Sequence[str]) -> bool:
    """Let the client do its steps on each kind of bucket."""
    good = await on("the local S3 endpoint", None, environments, versions)
    program = find()
    if program is None:
        print(f"\nnot on a real Garage: {ABSENT}")
        return good
    with ExitStack() as stack:
        node = await asyncio.to_thread(stack.enter_context, garage_node(program))
        settings = GarageSettings(URL(node.admin), node.token, URL(node.url))
        good &= await on("a real Garage", settings, environments, versions)
    print("\nevery member was used, or the reason is named" if good else "\n!! see above")
    return good


if __name__ == "__main__":
    chosen = sys.argv[2:] or VERSIONS
    sys.exit(not asyncio.run(main(Path(sys.argv[1]).absolute(), chosen)))
