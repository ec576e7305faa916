"""The services of the platform, named as the real ones; the one table of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import (
    admin,
    aistore,
    artifacts,
    buckets,
    config,
    dashboard,
    disks,
    jobs,
    monitoring,
    oauth,
    registry,
    s3,
    secrets,
    service_accounts,
    storage,
    trainings,
    users,
    workspaces,
)
from .base import Platform, Service

SERVICES: Sequence[Callable[[Any], Service | Sequence[Service]]] = (
    config.create,
    oauth.create,
    users.create,
    service_accounts.create,
    admin.create,
    dashboard.create,
    storage.create,
    disks.create,
    secrets.create,
    jobs.create,
    monitoring.create,
    s3.create,
    buckets.create,
    aistore.create,
    registry.create,
    trainings.create,
    workspaces.create,
    artifacts.create,
)


def create_services(platform: Platform) -> list[Service]:
    """Build every service; some are there once for each cluster, or in several parts."""
    services: list[Service] = []
    for create in SERVICES:
        found = create(platform)
        services += [found] if isinstance(found, Service) else found
    return services
