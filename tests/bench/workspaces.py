"""Compare the submission of a workspace with the published client: 1 GiB in 8 shards, and again.

The second submission is of the same files, so it has nothing to send but small ones. On the local
platform, on loopback and with 20 ms of round trip to both of its services.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import psutil
from yarl import URL

from neuro_client.workspaces.naming import slug_of

from .buckets_world import Endpoint, _client
from .measuring import Figures, Outcome, parser, save, take_turns
from .world import DISTANT, LINKS, LOOPBACK, ROOT, _proxy, local_content, make_file, started

OURS, PUBLISHED = "ours", "published"
MODULES = {OURS: "tests.bench.workspaces_ours", PUBLISHED: "tests.bench.workspaces_resontech"}
SUBMIT, AGAIN = "submit", "resubmit"
# Made by `make interop`; NEURO_BENCH_WORKSPACES names another one.
_ENVIRONMENT = ".venv-interop-workspaces/newest"
_ENDED = ("FINISHED", "FAILED", "CANCELLED")
SHARDS = 8


@attrs.frozen
class Place:
    """Hold a running platform, and for each way to it the file with what a client needs."""

    folder: Path
    end: Endpoint
    ready: Mapping[str, str]
    accounts: Mapping[str, Path]
    links: Path
    """The file with the address that presigned links lead to."""

    def call(self, method: str, path: str) -> Any:
        """Ask the platform directly, outside of what is measured."""
        request = urllib.request.Request(
            f"{self.ready['url']}{path}",
            method=method,
            headers={"Authorization": f"Bearer {self.ready['api_key']}"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    def end_task(self, task: str) -> None:
        """Cancel a task, so that its work disturbs nobody, and wait for its end."""
        state = self.call("GET", f"/api/customer/dashboard/jobs/{task}")["state"]
        if state not in _ENDED:
            self.call("POST", f"/api/tasks/{task}/cancel")
        while self.call("GET", f"/api/customer/dashboard/jobs/{task}")["state"] not in _ENDED:
            time.sleep(0.05)


def published_python() -> Path | None:
    """Return the interpreter that has the published client, if there is one."""
    folder = Path(os.environ.get("NEURO_BENCH_WORKSPACES", ROOT / _ENVIRONMENT))
    python = folder / "bin" / "python"
    return python if python.exists() else None


@contextmanager
def place(where: str | None) -> Iterator[Place]:
    """Start a platform and the proxies that stand for the distance."""
    with TemporaryDirectory(prefix="bench-", dir=where) as name:
        folder = Path(name)
        links = folder / "links"
        command = [sys.executable, "-m", "tests.bench.workspaces_server"]
        command += [str(folder / "platform"), str(links)]
        with started(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            with _proxy(URL(ready["url"])) as api, _proxy(URL(ready["s3_url"])) as store:
                far = {"url": str(api).rstrip("/"), "s3_url": str(store).rstrip("/")}
                accounts = {LOOPBACK: folder / "near.json", DISTANT: folder / "far.json"}
                accounts[LOOPBACK].write_text(json.dumps(ready))
                accounts[DISTANT].write_text(json.dumps({**ready, **far}))
                yield Place(folder, _end(server.pid, ready), ready, accounts, links)


def _end(process: int, ready: Mapping[str, str]) -> Endpoint:
    account = {"endpoint_url": ready["s3_url"], "region_name": ready["s3_region"], **ready}
    return Endpoint("workspaces", psutil.Process(process), ready["bucket"], {}, _client(account))


def make_shards(folder: Path, size: int) -> Path:
    """Write 8 zips of so many bytes in all."""
    folder.mkdir()
    content = make_file(folder / "content", size // SHARDS)
    for number in range(SHARDS):
        with zipfile.ZipFile(folder / f"shard_{number}.zip", "w") as archive:
            archive.writestr("which.txt", str(number))
            archive.write(content, "content")
    content.unlink()
    return folder


def run(
    at: Place, contender: str, link: str, local: Path, name: str, profile: Path | None = None
) -> Figures:
    """Let a contender submit, and check what came of it; what it remembers belongs to the name."""
    account = at.accounts[link]
    at.links.write_text(json.loads(account.read_text())["s3_url"])
    order = {
        "work": SUBMIT,
        "local": str(local),
        "remote": name,
        "config": str(account),
        "base": str(at.folder / "task"),
        "token": "",
    }
    python = published_python() if contender == PUBLISHED else sys.executable
    command = [str(python), "-m", MODULES[contender]]
    if profile is not None:
        command.append(str(profile))
    before = at.end.cpu()
    done = subprocess.run(
        command,
        input=json.dumps(order).encode(),
        capture_output=True,  # the published client prints how it gets on
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(at.folder / "state" / link / name)},
    )
    if done.returncode:
        raise RuntimeError(f"{contender} failed:\n{done.stderr.decode()}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    figures["platform_cpu"] = at.end.cpu() - before
    at.end_task((at.folder / "task").read_text())
    shards, size = at.end.content(f"jobs/{slug_of(name)}/shards")
    # Ours has a map beside the shards.
    if size < local_content(local)[1] or shards not in (SHARDS, SHARDS + 1):
        raise RuntimeError(f"{contender} did not submit what it should have: {shards}, {size}")
    return figures


def _turn(
    at: Place, contender: str, link: str, local: Path, *, again: bool
) -> Callable[[int], Figures]:
    def submit(number: int) -> Figures:
        name = contender if again else f"{contender} {number + 1}"
        figures = run(at, contender, link, local, name)
        if not again:
            at.end.remove(f"jobs/{slug_of(name)}")
        return figures

    return submit


def measure(options: argparse.Namespace) -> None:
    """Run all cases and write the outcome after each."""
    settings = {"size": options.size, "shards": SHARDS, "rounds": options.rounds}
    outcome = Outcome("workspaces", settings)
    contenders = [name for name in (OURS, PUBLISHED) if name in options.contenders]
    if published_python() is None and PUBLISHED in contenders:
        print(f"without the published client: no {_ENVIRONMENT}/, which `make interop` makes")
        contenders.remove(PUBLISHED)
    with place(options.where) as at:
        local = make_shards(at.folder / "shards", options.size)
        for link in options.links:
            for case in (SUBMIT, AGAIN):
                turns = {
                    name: _turn(at, name, link, local, again=case == AGAIN) for name in contenders
                }
                for turn in turns.values() if case == AGAIN else ():
                    turn(0)
                take_turns(outcome, case, link, turns, options.rounds)
                save(outcome, options.json)  # it takes minutes, and a case is worth keeping
            for name in contenders:
                at.end.remove(f"jobs/{slug_of(name)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    made = parser(__doc__)
    made.add_argument("--size", type=int, default=2**30, help="bytes of all shards")
    made.add_argument("--links", nargs="+", choices=LINKS, default=LINKS)
    made.add_argument("--contenders", nargs="+", choices=MODULES, default=list(MODULES))
    measure(made.parse_args(arguments))


if __name__ == "__main__":
    main()
