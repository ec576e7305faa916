"""The published client on the same listing; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

from runai.api.workloads_api import WorkloadsApi
from runai.api_client import ApiClient
from runai.configuration import Configuration

from .contenders.task import Order, Stopwatch, play

PAGE = 500


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """List all workloads, page by page, as its documentation says."""
    configuration = Configuration(
        client_id="bench", client_secret=order.token, runai_base_url=order.base
    )
    with ApiClient(configuration) as client:
        api = WorkloadsApi(client)
        seen, offset = 0, 0
        with stopwatch:
            while offset is not None:
                page = api.get_workloads(offset=offset, limit=PAGE, sort_order="asc").data
                seen += len(page["workloads"])
                offset = page.get("next")
    if seen != int(order.remote):
        raise RuntimeError(f"{seen} instead of {order.remote}")


if __name__ == "__main__":
    play(work)
