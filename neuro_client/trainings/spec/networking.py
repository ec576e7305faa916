"""Ports, URLs and links of a workload (§5.5)."""

# ruff: noqa: RUF009 (`wire` makes a field, as `attrs.field` does)
from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

import attrs

from .kinds import BOOL, PORT, Choice, ListOf, text
from .naming import join
from .part import Part, wire
from .versions import Asked
from .violations import Rule, Violation

_NODE_PORTS = range(30000, 32768)


class ServiceType(str, enum.Enum):
    """Say how a port is reached from outside the pod."""

    LOAD_BALANCER = "LoadBalancer"
    NODE_PORT = "NodePort"
    CLUSTER_IP = "ClusterIP"


class AuthorizationType(str, enum.Enum):
    """Say who may open an exposed URL."""

    AUTHENTICATED_USERS = "authenticatedUsers"
    AUTHORIZED_USERS = "authorizedUsers"
    AUTHORIZED_GROUPS = "authorizedGroups"


@attrs.frozen(kw_only=True, repr=False)
class Port(Part):
    """Open a port; ``external`` is chosen by the cluster unless given, for NodePort 30000–32767."""

    container: int | None = wire(PORT, required=True)
    service_type: ServiceType | str | None = wire(Choice(values=ServiceType), required=True)
    external: int | None = wire(PORT)
    tool_type: str | None = wire(text())
    tool_name: str | None = wire(text())
    name: str | None = wire(text())
    exclude: bool | None = wire(BOOL, since="2.21")

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        outside = self.external is not None and self.external not in _NODE_PORTS
        if self.service_type == ServiceType.NODE_PORT and outside:
            message = f"must be {_NODE_PORTS.start} to {_NODE_PORTS.stop - 1} for a NodePort"
            yield Violation(join(path, "external"), message, Rule.NODE_PORT)


@attrs.frozen(kw_only=True, repr=False)
class ExposedUrl(Part):
    """Give a port a URL, made by the platform unless given; users or groups, not both."""

    container: int | None = wire(PORT, required=True)
    url: str | None = wire(text())
    authorization_type: AuthorizationType | str | None = wire(
        Choice(values=AuthorizationType), since="2.24"
    )
    authorized_users: Sequence[str] | None = wire(ListOf(item=text()))
    authorized_groups: Sequence[str] | None = wire(ListOf(item=text()))
    tool_type: str | None = wire(text())
    tool_name: str | None = wire(text())
    name: str | None = wire(text())
    exclude: bool | None = wire(BOOL, since="2.21")

    def rules(self, path: str, asked: Asked) -> Iterator[Violation]:
        if self.authorized_users and self.authorized_groups:
            message = "must not be given beside authorizedUsers"
            yield Violation(join(path, "authorizedGroups"), message, Rule.AUTHORIZED)


@attrs.frozen(kw_only=True, repr=False)
class RelatedUrl(Part):
    """Link a page about the workload, such as one of an experiment tracker."""

    url: str | None = wire(text(), required=True)
    type: str | None = wire(text(), required=True)
    name: str | None = wire(text())
    exclude: bool | None = wire(BOOL, since="2.21")
