"""What tests and owners of a local platform do with its experiments; ``platform.artifacts``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

import attrs

from .accounts import Accounts, User
from .answers import Refusal
from .attending import Timing
from .bodies import run_name, run_spec
from .calls import Tokens
from .control import GridControl
from .experiments import Experiments
from .ids import new_id
from .keeping import Shelf
from .links import Clock, Links
from .logs import SCRIPT
from .models import FAILED, RUNNING, SUCCEEDED, Experiment, Run
from .store import DuplicateName
from .troubles import Troubles


@attrs.frozen
class ScriptedExperiment:
    """Play an experiment: what it writes and how it ends is up to the test."""

    id: str
    name: str
    _artifacts: LocalArtifacts = attrs.field(repr=False, alias="artifacts")

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Let the experiment write files, new ones or others under their names."""
        control = self._artifacts.control
        shelf = Shelf(control.store, control.files, self.id)
        for name, content in files.items():
            await shelf.keep(name, _once(content))

    async def log(self, *lines: str) -> None:
        """Let the experiment say something."""
        now = time.time()
        control = self._artifacts.control
        await control.store.add_lines(self.id, SCRIPT, [(now, line) for line in lines])
        control.ledger.told(self.id)

    async def end(self, phase: str = SUCCEEDED, message: str = "") -> None:
        """Let the experiment end as ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``."""
        code = {SUCCEEDED: 0, FAILED: 1}.get(phase)
        control = self._artifacts.control
        control.ledger.move(self.id, phase, message, exit_code=code)
        await control.ledger.commit()

    async def link(self, name: str) -> str:
        """Return the present link of a file."""
        return await self._artifacts.link(self.id, name)


@attrs.frozen
class ScriptedRun:
    """Play a run with its experiments."""

    id: str
    name: str
    experiments: tuple[ScriptedExperiment, ...]


class LocalArtifacts:
    """Set up and steer the local control plane of runs and artifacts.

    ``links.lifetime`` in seconds is that of links made from now on; `expire_links` ends those that
    were made. ``clock.ahead`` puts the time forward that links go by. ``troubles`` says what goes
    wrong with files and listings; ``LocalPlatform.fault`` and ``intercept`` work here too.
    """

    def __init__(
        self,
        control: GridControl,
        accounts: Accounts,
        links: Links,
        tokens: Tokens,
        experiments: Experiments,
        troubles: Troubles,
    ) -> None:
        self.control = control
        self.links = links
        self.troubles = troubles
        self._accounts = accounts
        self._tokens = tokens
        self._experiments = experiments

    @property
    def timing(self) -> Timing:
        """Return the durations that experiments go by."""
        return self.control.timing

    @property
    def clock(self) -> Clock:
        """Return the clock of the links."""
        return self.links.clock

    async def add_user(self, username: str) -> tuple[str, str]:
        """Give a user of the platform an API key; return user id and key."""
        return await self._accounts.key_for(username)

    def expire_links(self) -> None:
        """Refuse the links made so far as expired; listings give new ones."""
        self.links.expire()

    def expire_page_tokens(self) -> None:
        """Refuse the page tokens made so far."""
        self._tokens.generation += 1

    async def add_run(
        self,
        name: str,
        *files: Mapping[str, bytes],
        user: str | None = None,
        cluster: str = "default",
        command: str = "train.py",
    ) -> ScriptedRun:
        """Add a run whose experiments the test plays, one for each mapping of ``files``.

        They run, and have written their files; nothing is executed. ``user`` is a user's name.

        Raises:
            ValueError: the name is taken or cannot be one, or there is no such user.
        """
        owner = self._owner(user)
        body = {"name": name, "spec": {"runControllerCommand": command}}
        try:
            spec = run_spec(body, cluster, owner.id)
            now, told = time.time(), run_name(body)
        except Refusal as refusal:
            raise ValueError(str(refusal)) from None
        run = Run(
            id=new_id(),
            name=told,
            description="",
            cluster=cluster,
            user=owner.id,
            created_at=now,
            spec=spec,
            local_dir=True,
            source="",
        )
        experiments = [
            Experiment(
                id=new_id(),
                run=run.id,
                number=number,
                name=f"{name}-exp{number}",
                cluster=cluster,
                user=owner.id,
                created_at=now,
                command=("python", *command.split()),
                phase=RUNNING,
                phase_at=now,
                started_at=now,
                scripted=True,
            )
            for number in range(max(1, len(files)))
        ]
        try:
            await self.control.create(run, experiments)
        except DuplicateName:
            raise ValueError(f"The run {name} exists already") from None
        scripted = [ScriptedExperiment(one.id, one.name, self) for one in experiments]
        for one, content in zip(scripted, files, strict=False):
            await one.write(content)
        return ScriptedRun(run.id, name, tuple(scripted))

    async def link(self, experiment_id: str, name: str) -> str:
        """Return the present link of an artifact.

        Raises:
            KeyError: there is none of that name.
        """
        experiment = await self.control.ledger.get(experiment_id)
        artifact = await self.control.store.artifact(experiment_id, name)
        if experiment is None or artifact is None:
            raise KeyError(name)
        return self._experiments.link(experiment, artifact)

    def _owner(self, username: str | None) -> User:
        users = [user for user in self._accounts.users if username in (None, user.name)]
        if not users:
            raise ValueError(f"{username} has no API key; see add_user()")
        return users[0]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content
