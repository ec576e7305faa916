"""The services of the platform, named as the real ones; the one table of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import admin, buckets, config, jobs, monitoring, oauth, s3, storage, users
from .base import Service

SERVICES: Sequence[Callable[[Any], Service]] = (
    config.create,
    oauth.create,
    users.create,
    admin.create,
    storage.create,
    jobs.create,
    monitoring.create,
    s3.create,
    buckets.create,
)
