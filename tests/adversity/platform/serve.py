"""Run a platform for attacks until its input ends: ``python -m … DATA JOBS``.

Each user may have so many unfinished jobs at a time, with and without the organisation.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from neuro_client.local import LocalPlatform

CLUSTERS, ORG, OTHER = ("default", "second"), "acme", "other"


async def main() -> None:
    """Say where the platform is and who its users are, then wait."""
    async with LocalPlatform(Path(sys.argv[1]), port=0, clusters=CLUSTERS, orgs=[ORG]) as platform:
        other = await platform.add_user(OTHER)
        for name in (platform.username, OTHER):
            for org in (None, ORG):
                await platform.set_quota(name, org=org, total_running_jobs=int(sys.argv[2]))
        said = {"port": platform.url.port, "tokens": {"user": platform.token, OTHER: other}}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
