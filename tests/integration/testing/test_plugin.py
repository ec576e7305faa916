"""The fixtures of the plugin: the proxy stands between client and platform."""

from __future__ import annotations

import pytest
from yarl import URL

from neuro_client import Client, TransportError
from neuro_client.local import LocalPlatform
from neuro_client.testing.proxy import FaultProxy


async def test_every_call_goes_through_the_proxy(
    faulty_client: Client, fault_proxy: FaultProxy, local_platform: LocalPlatform
) -> None:
    before = fault_proxy.sent
    with local_platform.intercept() as seen:
        await faulty_client.storage.create(URL("storage:x"), b"content")
        async with faulty_client.jobs.list() as jobs:
            assert [job async for job in jobs] == []
    assert len(seen.calls) == 2
    assert {call.headers["Host"] for call in seen.calls} == {
        f"{fault_proxy.url.host}:{fault_proxy.url.port}"
    }
    assert fault_proxy.sent - before > len(b"content")


@pytest.mark.thorough
async def test_trouble_reaches_the_client(faulty_client: Client, fault_proxy: FaultProxy) -> None:
    fault = fault_proxy.cut(times=None)
    with pytest.raises(TransportError):
        await faulty_client.storage.stat(URL("storage:"))
    assert fault.hits > 1  # it was tried again
    fault_proxy.clear()
    assert (await faulty_client.storage.stat(URL("storage:"))).name == "user"


async def test_the_other_client_goes_straight(
    client: Client, faulty_client: Client, fault_proxy: FaultProxy
) -> None:
    sent = fault_proxy.sent
    await client.storage.create(URL("storage:x"), b"content")
    assert fault_proxy.sent == sent
    assert (await faulty_client.storage.stat(URL("storage:x"))).size == len(b"content")
