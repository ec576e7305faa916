"""What the platform knows of a disk."""

from __future__ import annotations

import attrs
from yarl import URL


class NameTakenError(Exception):
    """Report that the owner has a disk of that name."""


class OverLimitError(Exception):
    """Report that the owner's disks would be larger than allowed; the text says so."""


class InUseError(Exception):
    """Report that a job uses the disk; the text names the job."""


@attrs.frozen
class Disk:
    """Describe a disk; sizes are in bytes, times in epoch seconds, ``life_span`` in seconds."""

    id: str
    cluster: str
    owner: str
    org: str | None
    name: str | None
    storage: int
    created_at: float
    last_usage: float | None = None
    life_span: float | None = None

    @property
    def home(self) -> str:
        """Give the part of its URI between the cluster and its own name."""
        return home_path(self.org, self.owner)

    @property
    def uri(self) -> URL:
        """Give the URI that rights are held on."""
        return home_uri(self.cluster, self.org, self.owner) / self.id

    @property
    def ends_at(self) -> float | None:
        """Give when it goes unless it is used before."""
        if self.life_span is None:
            return None
        since = self.created_at if self.last_usage is None else self.last_usage
        return since + self.life_span

    def is_at(self, uri: URL) -> bool:
        """Tell whether a URI names it, by its id or its name."""
        cluster, home, key = split_uri(uri)
        return (cluster, home) == (self.cluster, self.home) and key in (self.id, self.name)


def home_path(org: str | None, owner: str) -> str:
    """Return ``[org/]owner``."""
    return owner if org is None else f"{org}/{owner}"


def home_uri(cluster: str, org: str | None, owner: str) -> URL:
    """Return the URI that an owner's disks lie below."""
    return URL.build(scheme="disk", host=cluster, path=f"/{home_path(org, owner)}")


def split_uri(uri: URL) -> tuple[str, str, str]:
    """Return the cluster of a URI, the path of the home, and the last component."""
    home, _, key = uri.path.strip("/").rpartition("/")
    return uri.host or "", home, key
