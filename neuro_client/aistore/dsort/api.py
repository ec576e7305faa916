"""dSort: shards taken apart, their records sorted and packed anew (aistore.md §13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import NotSupportedError
from .. import wire
from ..connection.requests import RequestClient
from ..jobs.api import TIMEOUT
from ..jobs.records import WaitResult
from ..jobs.waiting import judged, until
from ..versions import server_version
from .records import DsortJobInfo, DsortMetrics, read_info, result_of
from .spec import in_words_of, read_spec

_PATH = "sort"
_SORTER = "dsorter_type"
_GENERAL = "dsort_general"


class Dsort:
    """Name a dSort; nothing is sent before a method is awaited."""

    def __init__(self, client: RequestClient, dsort_id: str = "") -> None:
        self._client = client
        self._id = dsort_id

    def __repr__(self) -> str:
        return f"<Dsort {self._id}>"

    @property
    def dsort_id(self) -> str:
        """Return the id, "" before `start`."""
        return self._id

    async def start(self, spec_file: str | Path | Mapping[str, Any]) -> str:
        """Start what a file of JSON or YAML says, or a mapping, and return the id.

        The members are those of aistore.md §13; names of old and of today are the same to us.

        Raises:
            ValueError: there is no such file, or it holds no spec.
            ErrUnsupp: the server was built without dSort.
        """
        spec = in_words_of(await read_spec(spec_file), await server_version(self._client))
        if not spec.get(_SORTER):
            targets = (await self._client.fetch_map()).tmap.values()
            if sum(target.in_service for target in targets) == 1:
                # Server 5.0 finds no sorter by itself where there is one target only.
                spec[_SORTER] = _GENERAL
        answer = await self._client.request("POST", _PATH, json_body=spec)
        self._id = wire.job_id(await answer.read())
        return self._id

    async def abort(self) -> None:
        """End the dSort early; what it has made already stays."""
        await self._client.request("DELETE", f"{_PATH}/abort", params=self._query(), again=True)

    async def delete(self) -> None:
        """Remove the record of a dSort that has ended."""
        await self._client.request("DELETE", _PATH, params=self._query())

    async def get_job_info(self) -> dict[str, DsortJobInfo]:
        """Return what each target tells, by the ids of the targets.

        Raises:
            ErrJobNotFound: there is no such dSort.
            NotSupportedError: the server was built without dSort.
        """
        found = await self._client.json("GET", _PATH, params=self._query())
        if isinstance(found, list):
            raise NotSupportedError(
                f"{self._client.endpoint} was built without dSort and knows nothing of {self._id}"
            )
        told = wire.mapping({} if found is None else found, "the state of a dSort")
        return {target: read_info(info) for target, info in told.items()}

    async def metrics(self) -> dict[str, DsortMetrics]:
        """Return the progress of each target; see `get_job_info`."""
        return {target: info.metrics for target, info in (await self.get_job_info()).items()}

    async def list(self, regex: str = "", only_active: bool = False) -> Sequence[DsortJobInfo]:
        """Return all dSorts of the cluster, or those whose description matches."""
        params = {"regex": regex, "only_active": str(only_active).lower()}
        found = await self._client.json("GET", _PATH, params=params)
        return [read_info(info) for info in wire.items(found, "the list of dSorts")]

    async def wait(
        self, timeout: float | None = TIMEOUT, verbose: bool = True, *, check: bool = False
    ) -> WaitResult:
        """Wait until all targets have made their shards, or one gave up, and tell how it ended.

        Raises:
            Timeout: it has not ended within so many seconds; it goes on.
            AISJobFailed: it failed or was aborted, if ``check``.
            JobInfoNotFound: no node knows it, some seconds later still.
        """
        what = f"dSort {self._id}"

        async def look() -> WaitResult | None:
            told = await self.get_job_info()
            return result_of(told) if told else None

        self._query()
        return judged(await until(look, what, timeout), what, verbose=verbose, check=check)

    def _query(self) -> dict[str, str]:
        if not self._id:
            raise ValueError("which dSort? start one, or give its id as in client.dsort(ID)")
        return {"uuid": self._id}
