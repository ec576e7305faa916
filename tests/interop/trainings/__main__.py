"""Run the published client of Run:ai, unchanged, against the platform's trainings.

    python -m tests.interop.trainings ENVIRONMENTS [VERSION…]

ENVIRONMENTS is a folder with an environment for each list of packages beside this file. Fails if a
step does, or if a method that has to do with trainings is not called and ``left_out.toml`` gives no
reason.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from neuro_client.local import LocalPlatform

from ..report import judge
from ..scenario import drive, reasons

HERE = Path(__file__).parent
VERSIONS = ("newest", "older")


async def main(environments: Path, versions: Sequence[str]) -> bool:
    """Start a platform and let every version of the client do its steps."""
    good = True
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with LocalPlatform(data=folder / "platform", port=0) as platform:
            for version in versions:
                given = {**platform.ready["trainings"], "prefix": version}
                python = environments / version / "bin" / "python"
                report = await drive(python, HERE / "client.py", given, folder)
                left_out = reasons(HERE / "left_out.toml", "methods", report)
                good &= judge(f"runapy, {version}", report, left_out)
    print("\nevery call was made, or the reason is named" if good else "\n!! see above")
    return good


if __name__ == "__main__":
    chosen = sys.argv[2:] or VERSIONS
    sys.exit(not asyncio.run(main(Path(sys.argv[1]).absolute(), chosen)))
