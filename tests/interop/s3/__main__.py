"""Run clients of S3 that others made, unchanged, against the platform's S3 endpoint.

    python -m tests.interop.s3 ENVIRONMENTS S5CMD [CLIENT…]

ENVIRONMENTS is a folder with an environment for each list of packages beside this file, S5CMD the
built program. Every client takes every topic with persistent and with temporary credentials of the
bucket service; what it uploads is compared by ours, what ours uploaded by it. Fails if a step does,
or if a client leaves out a topic without a reason in ``left_out.toml``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from yarl import URL

import neuro_client
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

from ..report import judge, left_out
from ..running import tree

HERE = Path(__file__).parent
TOPICS = ("objects", "parts", "copy", "presign", "sync", "refusals")
SIZES = {
    "empty": 0,
    "one": 1,
    "deep/er/some": 70_000,
    "deep/a b+c%41#d": 1000,
    "ünï/名前": 2000,
    "large": 11 * 2**20 + 7,
}


@attrs.frozen
class Kind:
    """Tell in which environment a client lives, and what drives it there."""

    environment: str
    script: str


CLIENTS = {
    "boto3": Kind("newest", "boto.py"),
    "boto3 1.26": Kind("older", "boto.py"),
    "aioboto3": Kind("asynchronous", "aioboto.py"),
    "obstore": Kind("newest", "object_store.py"),
    "minio": Kind("newest", "minio_python.py"),
    "aws": Kind("newest", "aws.py"),
    "s3cmd": Kind("newest", "s3cmd.py"),
    "s5cmd": Kind("newest", "s5cmd.py"),
}


class Run:
    """Hold the platform's buckets and credentials, and what the clients reported."""

    def __init__(self, environments: Path, s5cmd: Path, folder: Path) -> None:
        self.environments = environments
        self.s5cmd = s5cmd
        self.folder = folder
        self.source = folder / "source"
        self.report: dict[str, Any] = {"steps": [], "members": [], "used": [], "failed": {}}

    async def prepare(self, platform: LocalPlatform) -> dict[str, dict[str, Any]]:
        """Make files, buckets and credentials; return what a client is given, by its kind."""
        for name, size in SIZES.items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))
        await neuro_client.login_with_token(
            await platform.add_user("bob"), url=platform.api_url, path=self.folder / "bob"
        )
        async with neuro_client.get(path=self.folder / "bob") as bob:
            await bob.buckets.create("foreign")
            foreign = (await bob.buckets.request_tmp_credentials("foreign")).credentials
        async with neuro_client.get(path=self.folder / "ours") as client:
            buckets = client.buckets
            bucket = await buckets.create("interop")
            await buckets.upload_dir(self.source, URL("blob:interop/ours"))
            kept = await buckets.persistent_credentials_create([bucket.id], "kept")
            reading = await buckets.persistent_credentials_create(
                [bucket.id], "reading", read_only=True
            )
            temporary = await buckets.request_tmp_credentials("interop")
        assert "session_token" in temporary.credentials, temporary.credentials
        shared = {
            "source": str(self.source),
            "s5cmd": str(self.s5cmd),
            "reader": {**reading.credentials[0].credentials, "session_token": None},
            "foreign_bucket": foreign["bucket_name"],
        }
        return {
            "persistent": {**kept.credentials[0].credentials, **shared},
            "temporary": {**temporary.credentials, **shared},
        }

    async def drive(self, name: str, credentials: str, given: dict[str, Any]) -> None:
        """Run one client's scenario, then read what it left with ours."""
        kind = CLIENTS[name]
        prefix = f"{name.replace(' ', '-')}-{credentials}"
        folder = self.folder / prefix
        process = await asyncio.create_subprocess_exec(
            str(self.environments / kind.environment / "bin" / "python"),
            str(HERE / "clients" / kind.script),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(self.folder),
        )
        text = json.dumps({**given, "prefix": prefix, "folder": str(folder)}).encode()
        out, _ = await process.communicate(text)
        if process.returncode:
            self.report["failed"][prefix] = f"the scenario ended with {process.returncode}"
            return
        found = json.loads(out)
        self.report["steps"] += [f"{prefix} {step}" for step in found["steps"]]
        used = [step.removeprefix("step_") for step in found["steps"]]
        self.report["used"] += [f"{name}: {topic}" for topic in used if topic in TOPICS]
        self.report["failed"].update(
            {f"{prefix} {step}": problem for step, problem in found["failed"].items()}
        )
        if "step_sync" not in found["failed"]:
            await self.compare(prefix)
        print(f"  {prefix}: {len(used) - len(found['failed'])} of {len(used)} steps", flush=True)

    async def compare(self, prefix: str) -> None:
        """Download with ours what a client uploaded."""
        back = self.folder / f"{prefix}-back"
        async with neuro_client.get(path=self.folder / "ours") as client:
            await client.buckets.download_dir(URL(f"blob:interop/{prefix}/tree"), back)
        if tree(back) != tree(self.source):
            self.report["failed"][f"{prefix} read by ours"] = str(sorted(tree(back)))


def _environment(home: Path) -> dict[str, str]:
    """Keep the clients away from the user's own settings and from other services."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "HOME": str(home),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "LC_ALL": "C.UTF-8",
    }


async def main(environments: Path, s5cmd: Path, chosen: Sequence[str]) -> bool:
    """Start a platform and run the clients."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with LocalPlatform(data=folder / "platform", port=0) as platform:
            await login(platform, folder / "ours")
            run = Run(environments, s5cmd, folder)
            given = await run.prepare(platform)
            for name in chosen:
                for credentials in given:
                    await run.drive(name, credentials, given[credentials])
    run.report["members"] = [f"{name}: {topic}" for name in chosen for topic in TOPICS]
    reasons = {
        entry: reason
        for entry, reason in left_out()["s3"].items()
        if entry.partition(":")[0] in chosen
    }
    good = judge("S3 clients", run.report, reasons)
    print("\nevery client did all, or the reason is named" if good else "\n!! see above")
    return good


def choose(s5cmd: Path, names: Sequence[str]) -> Sequence[str]:
    """Take all clients unless some are named; s5cmd only where it could be built."""
    if names:
        return names
    if not s5cmd.exists():
        print("s5cmd is left out: it is built with Go, which is not installed")
    return [name for name in CLIENTS if name != "s5cmd" or s5cmd.exists()]


if __name__ == "__main__":
    where, program = (Path(word).absolute() for word in sys.argv[1:3])
    sys.exit(not asyncio.run(main(where, program, choose(program, sys.argv[3:]))))
