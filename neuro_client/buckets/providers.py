"""Choose and open the provider that speaks to a bucket."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from ..transport import ClientSession
from .models import BucketProvider
from .provider import CredentialSource, Provider


def open_provider(
    kind: BucketProvider, credentials: CredentialSource, session: ClientSession
) -> AbstractAsyncContextManager[Provider]:
    """Open a bucket of a kind of service; the libraries of a cloud are loaded when first needed.

    Raises:
        ConfigError: the library of the cloud is not installed; names the extra to install.
    """
    if kind is BucketProvider.AZURE:
        from .azure import open_azure

        return open_azure(credentials, session)
    if kind is BucketProvider.GCP:
        from .google import open_google

        return open_google(credentials, session)
    from .s3 import open_s3

    return open_s3(credentials, session)
