"""Every route of the platform is described, or listed here with a reason; nothing else is."""

from __future__ import annotations

from typing import Any

from neuro_client.local import LocalPlatform
from neuro_client.local.app import build_app
from neuro_client.local.services import create_services

from .description import document, operations

# Routes whose answers are no JSON, by method and path; `*` is any method.
UNDESCRIBED = {
    ("GET", "/auth/authorize"): "a page for browsers",
    ("POST", "/auth/authorize"): "sends a browser back",
    ("GET", "/auth/code"): "a page for browsers",
    ("GET", "/auth/logout"): "a page for browsers",
    ("GET", "/dashboard"): "a page for browsers",
    ("GET", "/dashboard/sign-in"): "a page for browsers",
    ("GET", "/dashboard/style.css"): "a page for browsers",
    ("POST", "/dashboard/sign-out"): "a page for browsers",
    ("POST", "/dashboard/links"): "no part of the real platform",
    ("GET", "/api/v1/monitoring/{cluster}/jobs/{id}/log"): "a stream that lasts as long as the job",
    ("GET", "/api/v1/monitoring/{cluster}/jobs/{id}/log_ws"): "a WebSocket",
    ("GET", "/api/v1/monitoring/{cluster}/jobs/{id}/top"): "a WebSocket",
    ("GET", "/api/v1/monitoring/{cluster}/jobs/{id}/attach"): "a WebSocket",
    ("GET", "/api/v1/monitoring/{cluster}/jobs/{id}/exec"): "a WebSocket",
    ("GET", "/api/v1/monitoring/{cluster}/jobs/{id}/port_forward/{port}"): "a WebSocket",
    (
        "POST",
        "/api/v1/monitoring/{cluster}/jobs/{id}/save",
    ): "a stream that lasts as long as a push",
    ("*", "/jobs/{host}{path}"): "passes on what a job serves",
}


async def test_every_route_is_described(local_platform: LocalPlatform) -> None:
    services = create_services(local_platform)
    # Protocols of other systems have listeners of their own.
    app = build_app(local_platform, [one for one in services if not one.own_listener])
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    }
    # What may be got may be asked for its head, without saying so again.
    routes = {(m, p) for m, p in routes if m != "HEAD" or ("GET", p) not in routes}
    described = {(method, path) for method, path, _ in operations(document())}
    described -= {(m, p) for m, p in described if m == "HEAD" and ("GET", p) in described}
    assert routes - described == UNDESCRIBED.keys()
    assert described <= routes


def test_every_operation_says_where_it_is_from() -> None:
    found = list(operations(document()))
    assert len(found) > 30
    for method, path, operation in found:
        assert ".md §" in operation["description"], (method, path)


def test_every_reference_leads_somewhere() -> None:
    whole = document()

    def check(part: Any) -> int:
        if isinstance(part, list):
            return sum(map(check, part))
        if not isinstance(part, dict):
            return 0
        found = 0
        if "$ref" in part:
            place: Any = whole
            for word in part["$ref"].removeprefix("#/").split("/"):
                assert word in place, part["$ref"]
                place = place[word]
            found = 1
        return found + sum(map(check, part.values()))

    assert check(whole) > 100
