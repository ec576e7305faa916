"""Sign addresses of objects in buckets that were made elsewhere, with the keys given for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from yarl import URL

from .models import Bucket, ProviderError

_S3 = ("aws", "minio", "seaweedfs")
_AWS = "https://s3.{region}.amazonaws.com"


def sign(bucket: Bucket, key: str, expires_in: int) -> URL:
    """Return an address that gives an object to whoever has it; blocks.

    Raises:
        ProviderError: the provider has no such addresses, or the bucket's credentials make none.
    """
    credentials = bucket.imported or {}
    try:
        if bucket.provider in _S3:
            return _sign_s3(bucket.provider_name, credentials, key, expires_in)
        if bucket.provider == "azure":
            return _sign_azure(bucket.provider_name, credentials, key, expires_in)
    except KeyError as error:
        raise ProviderError(f"The credentials of bucket {bucket.id} lack {error}") from None
    except ValueError as error:
        raise ProviderError(
            f"The credentials of bucket {bucket.id} are not usable: {error}"
        ) from None
    raise ProviderError(f"Addresses in buckets of {bucket.provider!r} cannot be signed")


def _sign_s3(name: str, credentials: Mapping[str, str], key: str, expires_in: int) -> URL:
    # Loading it takes longer than all the rest of a start.
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    region = credentials.get("region_name") or "us-east-1"
    endpoint = credentials.get("endpoint_url") or _AWS.format(region=region)
    keys = Credentials(
        credentials["access_key_id"],
        credentials["secret_access_key"],
        credentials.get("session_token"),
    )
    path = quote(f"{name}/{key}", safe="/~")
    request = AWSRequest("GET", f"{_root(endpoint)}/{path}")
    S3SigV4QueryAuth(keys, "s3", region, expires=expires_in).add_auth(request)
    return URL(request.url, encoded=True)


def _sign_azure(name: str, credentials: Mapping[str, str], key: str, expires_in: int) -> URL:
    root = _root(credentials["storage_endpoint"])
    credential = credentials["credential"]
    if "sig=" in credential:
        signature = credential.lstrip("?")
    else:
        try:
            from azure.storage.blob import BlobSasPermissions, generate_blob_sas
        except ImportError:
            raise ValueError("signing for Azure needs neuro_client[azure]") from None
        url = URL(root)
        # Emulators have the account in the path, the real service in the name of the host.
        account = url.path.strip("/") or (url.host or "").partition(".")[0]
        signature = generate_blob_sas(
            account,
            name,
            key,
            account_key=credential,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(seconds=expires_in),
        )
    return URL(f"{root}/{quote(f'{name}/{key}', safe='/~')}?{signature}", encoded=True)


def _root(endpoint: str) -> str:
    url = URL(endpoint)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{endpoint!r} is not the address of a service")
    return endpoint.rstrip("/")
