"""Compare uploads, downloads and re-syncs of buckets: ours, boto3, its CRT, aioboto3, obstore.

2,000 files of 64 KiB in 40 folders, and one of 1 GiB; on the local endpoint, moto and Garage, on
loopback and with 20 ms of round trip. On the local endpoint's loopback the bare disk takes part.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from .buckets_world import ENDPOINTS, LOCAL, Endpoint, Way, absent, endpoint
from .measuring import Figures, Outcome, parser, save, take_turns
from .world import (
    LINKS,
    LOOPBACK,
    ROOT,
    World,
    local_content,
    make_file,
    make_tree,
    remove_local,
    world,
)

OURS, DISK = "ours", "disk"
PEERS = ("boto3", "crt", "aioboto3", "obstore")
CONTENDERS = (OURS, *PEERS, DISK)
WORKS = ("up-blobs", "sync-blobs", "down-blobs", "up-blob", "down-blob")
SMALL = 64 * 2**10
# Made by `make bench`; NEURO_BENCH_BUCKETS names another one.
_ENVIRONMENT = ".venv-interop-s3"


@attrs.frozen
class Race:
    """Run contenders between a bucket and a folder, along one way, and check what came of it."""

    place: World
    end: Endpoint
    way: Way
    profile: Path | None = None

    def upload(
        self, contender: str, work: str, local: Path, remote: str, *, keep: bool = False
    ) -> Figures:
        """Upload and check the copy; remove it unless it is to be kept."""
        figures = self.run(contender, work, local, remote)
        content = self._folder / remote
        there = local_content(content) if contender == DISK else self.end.content(remote)
        if there != local_content(local):
            raise RuntimeError(f"{contender} did not upload what it should have: {there}")
        if not keep:
            if contender == DISK:
                remove_local(content)
            else:
                self.end.remove(remote)
        return figures

    def download(self, contender: str, work: str, remote: str, content: tuple[int, int]) -> Figures:
        """Download into a new place, check and remove the copy."""
        local = self.place.folder / f"copy-{contender}"
        figures = self.run(contender, work, local, remote)
        if local_content(local) != content:
            raise RuntimeError(f"{contender} did not download what it should have")
        remove_local(local)
        return figures

    @property
    def _folder(self) -> Path:
        return self.place.folder / "disk"

    def run(self, contender: str, work: str, local: Path, remote: str) -> Figures:
        """Let a contender do a piece of work."""
        self._folder.mkdir(exist_ok=True)
        order = {
            "work": work,
            "local": str(local),
            "remote": remote,
            "config": str(self.way.config),
            "base": str(self._folder) if contender == DISK else self.way.uri,
            "token": "",
        }
        python = peers_python() if contender in PEERS else sys.executable
        command = [str(python), "-m", f"tests.bench.contenders.blobs_{contender}"]
        if self.profile is not None:
            command.append(str(self.profile))
        before = self.end.cpu()
        done = subprocess.run(
            command,
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(self.place.folder / "state")},
            check=True,
        )
        figures: Figures = json.loads(done.stdout)
        figures["endpoint_cpu"] = self.end.cpu() - before
        return figures


def peers_python() -> Path | None:
    """Return the interpreter that has the peers, if there is one."""
    folder = Path(os.environ.get("NEURO_BENCH_BUCKETS", ROOT / _ENVIRONMENT))
    python = folder / "bin" / "python"
    return python if python.exists() else None


def present(contenders: Sequence[str]) -> list[str]:
    """Return those who can run here, and say so if some cannot."""
    if peers_python() is None:
        print(f"without the peers: no {_ENVIRONMENT}/, which `make bench` makes")
        return [name for name in contenders if name not in PEERS]
    return list(contenders)


def measure(options: argparse.Namespace) -> None:
    """Run all cases that are asked for and write the outcome after each."""
    outcome = Outcome(
        "buckets",
        {"files": options.files, "size": options.size, "small": SMALL, "rounds": options.rounds},
    )
    with world((LOOPBACK,), where=options.where) as place:
        sources = {
            "blobs": make_tree(place.folder / "tree", options.files, options.folders, [SMALL]),
            "blob": make_file(place.folder / "file", options.size),
        }
        for name in options.endpoints:
            if reason := absent(name):
                print(reason)
                continue
            with endpoint(place, name, options.links) as end:
                _measure_endpoint(outcome, place, end, sources, options)


def _measure_endpoint(
    outcome: Outcome,
    place: World,
    end: Endpoint,
    sources: dict[str, Path],
    options: argparse.Namespace,
) -> None:
    seed = Race(place, end, next(iter(end.ways.values())))
    for kind, local in sources.items():
        if any(work.endswith(f"-{kind}") for work in options.works):
            for contender in {OURS, DISK} & {OURS, *options.contenders}:
                seed.run(contender, f"up-{kind}", local, kind)
    for way in end.ways.values():
        for work in options.works:
            kind = work.partition("-")[2]
            _case(outcome, Race(place, end, way), work, sources[kind], options)
            save(outcome, options.json)  # it takes minutes, and a case is worth keeping


def _case(
    outcome: Outcome, race: Race, work: str, local: Path, options: argparse.Namespace
) -> None:
    content = local_content(local)
    kind = work.partition("-")[2]

    def one(name: str) -> Callable[[int], Figures]:
        def run(number: int) -> Figures:
            if work.startswith("down"):
                return race.download(name, work, kind, content)
            if work.startswith("sync"):
                return race.upload(name, work, local, kind, keep=True)
            return race.upload(name, work, local, f"{name}-{kind}-{number}")

        return run

    contenders = present(options.contenders)
    if race.way.name != f"{LOCAL}, {LOOPBACK}" or work.startswith("sync"):
        contenders = [name for name in contenders if name != DISK]
    turns = {name: one(name) for name in contenders}
    take_turns(outcome, work, race.way.name, turns, options.rounds)


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    made = parser(__doc__)
    made.add_argument("--files", type=int, default=2000)
    made.add_argument("--folders", type=int, default=40)
    made.add_argument("--size", type=int, default=2**30, help="bytes of the large file")
    made.add_argument("--works", nargs="+", choices=WORKS, default=WORKS)
    made.add_argument("--endpoints", nargs="+", choices=ENDPOINTS, default=ENDPOINTS)
    made.add_argument("--links", nargs="+", choices=LINKS, default=LINKS)
    made.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    made.set_defaults(rounds=3)  # there are many cases
    return made.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    measure(options_of(arguments))


if __name__ == "__main__":
    main()
