"""What the dashboard's pages show of experiments: a `PageSource` over the control of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import attrs

from ...pages import Meter, PageFile, PageRefusal, PageRow, RunPage
from .accounts import Accounts, User
from .experiments import Experiments
from .logs import Logs, status_word
from .models import Experiment
from .runs import Runs, SourceMissing

_MOST = 1000
_TAIL_LINES = 200


@attrs.frozen
class Parts:
    """What the pages ask, once the platform's state is open."""

    accounts: Accounts
    runs: Runs
    experiments: Experiments
    logs: Logs


@attrs.frozen
class ExperimentPages:
    """Tell the pages about a user's experiments; files have links that are good for a day."""

    parts: Callable[[], Parts]

    async def list(self, user: str) -> Sequence[PageRow]:
        """Return the user's experiments, the newest first."""
        owner = self.parts().accounts.named(user)
        if owner is None:
            return []
        found = await self.parts().runs.control.store.newest(owner.id, _MOST)
        return [
            PageRow(one.id, one.name, status_word(one), _moment(one.created_at)) for one in found
        ]

    async def read(self, user: str, id: str) -> RunPage:
        """Return an experiment; ``KeyError`` if there is none that the user may see."""
        owner, found = await self._experiment(user, id)
        parts = self.parts()
        store = parts.runs.control.store
        lines = [*await parts.logs.build(found), *await parts.logs.script(found)]
        return RunPage(
            id=found.id,
            name=found.name,
            state=status_word(found),
            created=_moment(found.created_at),
            finished=None if found.finished_at is None else _moment(found.finished_at),
            log_tail="".join(line.message for line in lines[-_TAIL_LINES:]),
            files=[
                PageFile(one.name, one.size, parts.experiments.link(found, one))
                for one in await store.artifacts(found.id, "", _MOST)
            ],
            meter=Meter(await store.usage(owner.id)),
            can_submit_again=found.finished and not found.scripted,
            message=found.message,
        )

    async def submit_again(self, user: str, id: str) -> str:
        """Run the same command on the same source once more, as a run of its own."""
        _, found = await self._experiment(user, id)
        try:
            return (await self.parts().runs.again(found)).id
        except SourceMissing as error:
            raise PageRefusal(str(error)) from None

    async def _experiment(self, user: str, id: str) -> tuple[User, Experiment]:
        owner = self.parts().accounts.named(user)
        found = await self.parts().runs.control.ledger.get(id)
        if owner is None or found is None or found.user != owner.id:
            raise KeyError(id)
        return owner, found


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
