"""What a platform is set up with: clusters, organisations, presets, limits."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs
import psutil
from yarl import URL

GIB = 2**30
_GARAGE_S3 = 3900
# They are folders and parts of URIs.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@attrs.frozen
class PresetSettings:
    """Describe a preset; ``memory`` is in bytes."""

    name: str
    cpu: float
    memory: int
    credits_per_hour: Decimal
    scheduler_enabled: bool = False
    preemptible_node: bool = False


@attrs.frozen
class ClusterSettings:
    """Describe a cluster; None in ``orgs`` is membership without an organisation."""

    name: str
    orgs: tuple[str | None, ...] = (None,)


@attrs.frozen
class GarageSettings:
    """Name a real Garage that holds the buckets of workspaces; both addresses are roots."""

    admin_url: URL
    admin_token: str = attrs.field(repr=False)
    s3_url: URL
    region: str = "garage"

    @classmethod
    def build(
        cls, admin_url: str, token: str, s3_url: str | None = None, region: str = "garage"
    ) -> GarageSettings:
        """Read what a command line says; S3 is at Garage's usual port of the same host without.

        Raises:
            ValueError: an address is none, or there is no token.
        """
        admin = _root(admin_url)
        if not token:
            raise ValueError(
                "A Garage is managed with its admin token; put it into GARAGE_ADMIN_TOKEN"
            )
        return cls(admin, token, _root(s3_url) if s3_url else admin.with_port(_GARAGE_S3), region)


@attrs.frozen
class Settings:
    """Hold the whole set-up; it does not change while the platform runs."""

    clusters: Mapping[str, ClusterSettings]
    presets: Mapping[str, PresetSettings]
    runner: str = "process"
    token_lifetime: float = 24 * 3600.0
    garage: GarageSettings | None = None

    @classmethod
    def build(
        cls,
        clusters: Sequence[str] = ("default",),
        orgs: Sequence[str] = (),
        presets: Sequence[PresetSettings] | None = None,
        runner: str = "process",
        token_lifetime: float = 24 * 3600.0,
        garage: GarageSettings | None = None,
    ) -> Settings:
        """Put a set-up together; every cluster gets every organisation."""
        for name in (*clusters, *orgs):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name a cluster or an organisation; use letters, digits, "
                    "dots, dashes and underscores, a letter or digit first"
                )
        if not clusters:
            raise ValueError("A platform needs at least one cluster")
        chosen = default_presets() if presets is None else presets
        return cls(
            clusters={name: ClusterSettings(name, (None, *orgs)) for name in clusters},
            presets={preset.name: preset for preset in chosen},
            runner=runner,
            token_lifetime=token_lifetime,
            garage=garage,
        )


def _root(text: str) -> URL:
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is no address like http://127.0.0.1:3903")
    return url.origin()


def default_presets() -> list[PresetSettings]:
    """Return the presets of a platform that was not told any; ``cpu-large`` is the machine."""
    cores = float(os.cpu_count() or 1)
    memory = psutil.virtual_memory().total // GIB * GIB or GIB
    return [
        PresetSettings("cpu-small", 0.5, GIB, Decimal("0.5")),
        PresetSettings("cpu-large", cores, memory, Decimal(4)),
        PresetSettings("cpu-spot", min(1.0, cores), GIB, Decimal("0.2"), preemptible_node=True),
        PresetSettings("cpu-shared", min(1.0, cores), GIB, Decimal("0.3"), scheduler_enabled=True),
    ]
