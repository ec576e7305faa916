"""Compare the download of 2,000 small artifacts, and of one of 1 GiB, with the published client.

On the local platform, on loopback and with 20 ms of round trip.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import psutil
from yarl import URL

from .measuring import Figures, Outcome, parser, save, take_turns
from .race import OURS, PUBLISHED
from .world import (
    DISTANT,
    LINKS,
    LOOPBACK,
    ROOT,
    _proxy,
    local_content,
    make_file,
    make_tree,
    remove_local,
    started,
)

MODULES = {OURS: "tests.bench.artifacts_ours", PUBLISHED: "tests.bench.artifacts_grid"}
WORKS = ("small", "large")
SMALL = 16 * 2**10
# Made by `make interop`; NEURO_BENCH_ARTIFACTS names another one.
_ENVIRONMENT = ".venv-interop-artifacts"


@attrs.frozen
class Place:
    """Hold a running platform, for each way to it the account, and what each run has."""

    folder: Path
    process: psutil.Process
    accounts: Mapping[str, Path]
    links: Path
    """The file with the address that links lead to."""
    content: Mapping[str, tuple[int, int]]

    def cpu(self) -> float:
        """Return the seconds of processor that the platform has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


def published_python() -> Path | None:
    """Return the interpreter that has the published client, if there is one."""
    folder = Path(os.environ.get("NEURO_BENCH_ARTIFACTS", ROOT / _ENVIRONMENT))
    python = folder / "bin" / "python"
    return python if python.exists() else None


@contextmanager
def place(options: argparse.Namespace) -> Iterator[Place]:
    """Start a platform that has the artifacts, and the proxy that stands for the distance."""
    with TemporaryDirectory(prefix="bench-", dir=options.where) as name:
        folder = Path(name)
        small = make_tree(folder / "small", options.files, 40, [SMALL])
        (folder / "large").mkdir()
        make_file(folder / "large" / "model.ckpt", options.size)
        content = {name: local_content(folder / name) for name in WORKS}
        links = folder / "links"
        command = [sys.executable, "-m", "tests.bench.artifacts_server"]
        command += [str(folder / "platform"), str(links), str(small), str(folder / "large")]
        with started(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            with _proxy(URL(ready["url"])) as far:
                accounts = {LOOPBACK: folder / "near.json", DISTANT: folder / "far.json"}
                accounts[LOOPBACK].write_text(json.dumps(ready))
                distant = {**ready, "url": str(far).rstrip("/")}
                accounts[DISTANT].write_text(json.dumps(distant))
                yield Place(folder, psutil.Process(server.pid), accounts, links, content)


def run(at: Place, contender: str, link: str, work: str, profile: Path | None = None) -> Figures:
    """Let a contender download a run, check what came of it and remove it."""
    account = at.accounts[link]
    at.links.write_text(json.loads(account.read_text())["url"])
    local = at.folder / f"copy-{contender}"
    order = {
        "work": work,
        "local": str(local),
        "remote": work,
        "config": str(account),
        "base": "",
        "token": "",
    }
    python = published_python() if contender == PUBLISHED else sys.executable
    command = [
        str(python),
        "-m",
        MODULES[contender],
        *([str(profile)] if profile and contender == OURS else []),
    ]
    home = {"HOME": str(at.folder), "XDG_STATE_HOME": str(at.folder / "state")}
    before = at.cpu()
    done = subprocess.run(
        command,
        input=json.dumps(order).encode(),
        capture_output=True,  # the published client prints how it gets on
        cwd=ROOT,
        env={**os.environ, **home},
    )
    if done.returncode:
        raise RuntimeError(f"{contender} failed:\n{done.stderr.decode()}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    figures["platform_cpu"] = at.cpu() - before
    found = local_content(local)
    if found != at.content[work]:
        raise RuntimeError(f"{contender} brought {found} instead of {at.content[work]}")
    remove_local(local)
    return figures


def measure(options: argparse.Namespace) -> Outcome:
    """Run all cases that are asked for."""
    outcome = Outcome("artifacts", {"files": options.files, "size": options.size, "small": SMALL})
    contenders = [OURS, PUBLISHED]
    if published_python() is None:
        print(f"without the published client: no {_ENVIRONMENT}/, which `make interop` makes")
        contenders.remove(PUBLISHED)
    with place(options) as at:
        for link in options.links:
            for work in options.works:

                def one(name: str, link: str = link, work: str = work) -> Callable[[int], Figures]:
                    return lambda _: run(at, name, link, work, options.profile)

                turns = {name: one(name) for name in contenders}
                take_turns(outcome, f"artifacts-{work}", link, turns, options.rounds)
    return outcome


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the outcome."""
    made = parser(__doc__)
    made.add_argument("--files", type=int, default=2000)
    made.add_argument("--size", type=int, default=2**30, help="bytes of the large artifact")
    made.add_argument("--works", nargs="+", choices=WORKS, default=WORKS)
    made.add_argument("--links", nargs="+", choices=LINKS, default=LINKS)
    made.add_argument("--profile", type=Path, help="where ours writes a profile of each turn")
    made.set_defaults(rounds=3)
    options = made.parse_args(arguments)
    save(measure(options), options.json)


if __name__ == "__main__":
    main()
