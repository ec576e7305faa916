"""Let a contender do one piece of work in a process of its own, and check what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs

from .measuring import Figures
from .world import ROOT, Link, World, local_content, remove_local

OURS, BARE, PUBLISHED = "ours", "bare", "published"
CONTENDERS = (OURS, BARE, PUBLISHED)
# Made by `make interop`; NEURO_BENCH_PUBLISHED names another one.
_ENVIRONMENT = ".venv-interop"


def published_python() -> Path | None:
    """Return the interpreter that has the published client, if there is one."""
    folder = Path(os.environ.get("NEURO_BENCH_PUBLISHED", ROOT / _ENVIRONMENT))
    python = folder / "bin" / "python"
    return python if python.exists() else None


def present(contenders: tuple[str, ...] = CONTENDERS) -> list[str]:
    """Return those who can run here, and say so if one cannot."""
    if PUBLISHED in contenders and published_python() is None:
        print(f"without the published client: no {_ENVIRONMENT}/, which `make interop` makes")
        return [name for name in contenders if name != PUBLISHED]
    return list(contenders)


@attrs.frozen
class Race:
    """Run contenders between a world's platform and its folder, along one link.

    With a name for a ``profile``, which only ours knows how to make, each run replaces it.
    """

    world: World
    link: Link
    profile: Path | None = None

    def put(self, work: str, local: Path, remote: str) -> None:
        """Upload what others then download."""
        self._run(OURS, work, local, remote)

    def upload(
        self, contender: str, work: str, local: Path, remote: str, *, keep: bool = False
    ) -> Figures:
        """Upload and check the copy; remove it unless it is to be kept."""
        figures = self._run(contender, work, local, remote)
        if self.world.remote_content(remote) != local_content(local):
            raise RuntimeError(f"{contender} did not upload what it should have")
        if not keep:
            self.world.remove(remote)
        return figures

    def download(self, contender: str, work: str, remote: str, content: tuple[int, int]) -> Figures:
        """Download into a new place, check and remove the copy."""
        local = self.world.folder / f"copy-{contender}"
        figures = self._run(contender, work, local, remote)
        if local_content(local) != content:
            raise RuntimeError(f"{contender} did not download what it should have")
        remove_local(local)
        return figures

    def _run(self, contender: str, work: str, local: Path, remote: str) -> Figures:
        python = published_python() if contender == PUBLISHED else sys.executable
        order = {
            "work": work,
            "local": str(local),
            "remote": remote,
            "config": str(self.link.config),
            "base": self.world.home(self.link),
            "token": self.world.token,
        }
        command = [str(python), "-m", f"tests.bench.contenders.{contender}"]
        if self.profile is not None:
            command.append(str(self.profile))
        before = self.world.platform_cpu()
        done = subprocess.run(
            command,
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(self.world.folder / "state")},
            check=True,
        )
        figures: Figures = json.loads(done.stdout)
        figures["platform_cpu"] = self.world.platform_cpu() - before
        return figures
