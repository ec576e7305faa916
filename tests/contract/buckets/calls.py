"""The calls behind the samples of buckets, and what their answers must become.

What the client refuses before it sends anything is asked of the class that makes the requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from yarl import URL

from neuro_client.buckets import Bucket, BucketCredentials
from neuro_client.buckets.service import BucketService
from neuro_client.client import Client
from neuro_client.errors import (
    AuthorizationError,
    ConflictError,
    IllegalArgumentError,
    ResourceNotFound,
    ServerError,
)

from ..golden import Call

Values = Mapping[str, str]

CREATED = datetime(2022, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
AT_PROVIDER = "neuro-pl-0123456789-train-data-0123456789ab"


def made(
    values: Values,
    name: str | None = "train-data",
    org: str | None = "acme",
    **facts: object,
) -> Bucket:
    """Return the record of a bucket."""
    found = {"imported": False, "public": False, "provider": Bucket.Provider.MINIO, **facts}
    return Bucket(
        id=values["bucket"],
        owner="ada",
        cluster_name="alpha",
        org_name=org,
        created_at=CREATED,
        name=name,
        **found,  # type: ignore[arg-type]
    )


def service(client: Client) -> BucketService:
    """Return what makes the requests for the current cluster."""
    return client.buckets._service(None)


async def list_(client: Client, values: Values) -> None:
    async with client.buckets.list() as buckets:
        found = [bucket async for bucket in buckets]
    assert found[:2] == [made(values), made(values, None, None)]
    assert found[0].uri == URL("blob://alpha/acme/ada/train-data")
    assert found[1].uri == URL(f"blob://alpha/ada/{values['bucket']}")


async def create(client: Client, values: Values) -> None:
    assert await client.buckets.create("new-data") == made(values, "new-data")


async def create_unnamed(client: Client, values: Values) -> None:
    assert await client.buckets.create(org_name=None) == made(values, None, None)


async def create_taken(client: Client, values: Values) -> None:
    with pytest.raises(ConflictError, match="has a bucket 'train-data' already"):
        await client.buckets.create("train-data")


async def create_bad_name(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="3 to 40") as caught:
        await client.buckets.create("Bad")
    assert caught.value.status is None  # refused before anything was sent
    with pytest.raises(ServerError, match="3 to 40"):
        await service(client).create("Bad", "acme")


async def create_other_org(client: Client, values: Values) -> None:
    with pytest.raises(AuthorizationError, match="blob://alpha/other/ada"):
        await client.buckets.create("new-data", org_name="other")


async def import_external(client: Client, values: Values) -> None:
    keys = {"access_key_id": "A", "secret_access_key": "S", "region_name": "eu-west-1"}
    found = await client.buckets.import_external(Bucket.Provider.AWS, "external", keys, "outside")
    assert found == made(values, "outside", imported=True, provider=Bucket.Provider.AWS)


async def get(client: Client, values: Values) -> None:
    assert await client.buckets.get("train-data") == made(values)


async def get_of_owner(client: Client, values: Values) -> None:
    assert await client.buckets.get("train-data", bucket_owner="ada") == made(values)


async def get_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.buckets.get("none")


async def get_not_permitted(client: Client, values: Values) -> None:
    with pytest.raises(AuthorizationError, match="blob://alpha/bob/secret-data"):
        await client.buckets.get("secret-data", bucket_owner="bob")


async def find_by_path(client: Client, values: Values) -> None:
    assert await service(client).find("acme/ada/train-data/a key") == made(values)


async def find_by_path_unknown(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="acme/ada/none"):
        await client.buckets.blob_is_dir(URL("blob:none"))


async def set_public_access(client: Client, values: Values) -> None:
    found = await client.buckets.set_public_access("train-data", True)
    assert found == made(values, public=True)


async def rm(client: Client, values: Values) -> None:
    await client.buckets.rm("train-data")


async def rm_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.buckets.rm("none")


async def request_tmp_credentials(client: Client, values: Values) -> None:
    found = await client.buckets.request_tmp_credentials("train-data")
    assert (found.bucket_id, found.provider) == (values["bucket"], Bucket.Provider.MINIO)
    assert found.credentials["bucket_name"] == AT_PROVIDER
    assert {"session_token", "expiration", "endpoint_url", "region_name"} < set(found.credentials)
    assert found.credentials["secret_access_key"] not in repr(found)


async def request_tmp_credentials_imported(client: Client, values: Values) -> None:
    found = await client.buckets.request_tmp_credentials("outside")
    assert found == BucketCredentials(
        values["bucket"],
        Bucket.Provider.AWS,
        {
            "bucket_name": "external",
            "access_key_id": "A",
            "secret_access_key": "S",
            "region_name": "eu-west-1",
        },
    )


async def make_signed_url(client: Client, values: Values) -> None:
    found = await service(client).sign_url(made(values), "a%20key", 60)
    assert str(found).startswith(f"http://127.0.0.1:9000/{AT_PROVIDER}/a%2520key?X-Amz-Signature=")


async def make_signed_url_too_long(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="7 days"):
        await service(client).sign_url(made(values), "key", 604_801)


async def persistent_credentials_list(client: Client, values: Values) -> None:
    async with client.buckets.persistent_credentials_list() as listing:
        [found] = [item async for item in listing]
    assert (found.name, found.read_only, found.cluster_name) == ("keys", False, "alpha")
    assert [item.bucket_id for item in found.credentials] == [values["bucket"]]


async def persistent_credentials_create(client: Client, values: Values) -> None:
    found = await client.buckets.persistent_credentials_create(
        [values["bucket"]], "new-keys", read_only=True
    )
    assert (found.owner, found.name, found.read_only) == ("ada", "new-keys", True)
    assert found.credentials[0].credentials["bucket_name"] == AT_PROVIDER


async def persistent_credentials_create_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ServerError, match="bucket-none"):
        await client.buckets.persistent_credentials_create(["bucket-none"])


async def persistent_credentials_create_imported(client: Client, values: Values) -> None:
    with pytest.raises(IllegalArgumentError, match="made elsewhere"):
        await client.buckets.persistent_credentials_create([values["bucket"]])


async def persistent_credentials_get(client: Client, values: Values) -> None:
    found = await client.buckets.persistent_credentials_get("keys")
    assert (found.owner, found.name) == ("ada", "keys")


async def persistent_credentials_get_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound, match="'none' not found"):
        await client.buckets.persistent_credentials_get("none")


async def persistent_credentials_rm(client: Client, values: Values) -> None:
    await client.buckets.persistent_credentials_rm("keys")


CALLS: Mapping[str, Call] = {
    "list": list_,
    "create": create,
    "create_unnamed": create_unnamed,
    "create_taken": create_taken,
    "create_bad_name": create_bad_name,
    "create_other_org": create_other_org,
    "import_external": import_external,
    "get": get,
    "get_of_owner": get_of_owner,
    "get_unknown": get_unknown,
    "get_not_permitted": get_not_permitted,
    "find_by_path": find_by_path,
    "find_by_path_unknown": find_by_path_unknown,
    "set_public_access": set_public_access,
    "rm": rm,
    "rm_unknown": rm_unknown,
    "request_tmp_credentials": request_tmp_credentials,
    "request_tmp_credentials_imported": request_tmp_credentials_imported,
    "make_signed_url": make_signed_url,
    "make_signed_url_too_long": make_signed_url_too_long,
    "persistent_credentials_list": persistent_credentials_list,
    "persistent_credentials_create": persistent_credentials_create,
    "persistent_credentials_create_unknown": persistent_credentials_create_unknown,
    "persistent_credentials_create_imported": persistent_credentials_create_imported,
    "persistent_credentials_get": persistent_credentials_get,
    "persistent_credentials_get_unknown": persistent_credentials_get_unknown,
    "persistent_credentials_rm": persistent_credentials_rm,
}
