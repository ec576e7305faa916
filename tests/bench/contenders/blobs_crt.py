"""boto3 with the transfer manager of its common runtime, which is written in C.

It is put together as the ``aws`` command does: what ``preferred_transfer_client`` makes speaks TLS
to Amazon's own hosts only.
"""

from __future__ import annotations

import importlib
from typing import Any

from .blobs import Account, account_of
from .blobs_boto3 import Boto3, run
from .task import Order, Stopwatch, play

# Not installed where this file is checked.
botocore_session: Any = importlib.import_module("botocore.session")
crt: Any = importlib.import_module("s3transfer.crt")


def manager(account: Account) -> Any:
    """Make a transfer manager for an endpoint without TLS."""
    session = botocore_session.get_session()
    session.set_credentials(account.access_key_id, account.secret_access_key)
    credentials = crt.BotocoreCRTCredentialsWrapper(session.get_credentials())
    client = crt.create_s3_crt_client(
        region=account.region_name,
        crt_credentials_provider=credentials.to_crt_credentials_provider(),
        use_ssl=False,
    )
    options = {"region_name": account.region_name, "endpoint_url": account.endpoint_url}
    return crt.CRTTransferManager(client, crt.BotocoreCRTRequestSerializer(session, options))


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    account = account_of(order.config)
    await run(order, stopwatch, Boto3(account, manager(account)))


if __name__ == "__main__":
    play(work)
