"""The one table of the endpoints (runai-trainings.md §3, §7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .control import TrainingControl
from .handlers import Route
from .listing import Listing
from .logs import ClusterApi
from .lookups import Lookups
from .metrics import Metrics
from .render import Renderer
from .telemetry import Telemetry
from .workloads import Manners, Workloads

_TRAININGS = "/api/v1/workloads/trainings"
_WORKLOADS = "/api/v1/workloads"
_UNITS = "/api/v1/org-unit"
_CLUSTER = "/cluster-api"


def routes(
    control: TrainingControl,
    renderer: Renderer,
    lookups: Lookups,
    cluster: ClusterApi,
    manners: Callable[[], Manners],
) -> Sequence[Route]:
    """List the endpoints; of two that fit, the first counts."""
    workloads = Workloads(control, renderer, manners)
    listing = Listing(control, renderer)
    one = _TRAININGS + "/{id}"
    metrics, telemetry = Metrics(control), Telemetry(control)
    any_one = _WORKLOADS + "/{id}"
    log = _CLUSTER + "/api/v1/{project}/workloads/{type}/{framework}/{name}/logs"
    return [
        Route("POST", _TRAININGS, workloads.create),
        Route("GET", one, workloads.get),
        Route("DELETE", one, workloads.delete),
        Route("POST", one + "/suspend", workloads.suspend),
        Route("POST", one + "/resume", workloads.resume),
        Route("GET", _WORKLOADS, listing.workloads, generic=True),
        Route("GET", _WORKLOADS + "/count", listing.count, generic=True),
        Route("GET", _WORKLOADS + "/pods", listing.all_pods, generic=True),
        Route("GET", _WORKLOADS + "/pods/count", listing.count_pods, generic=True),
        Route("GET", _WORKLOADS + "/telemetry", telemetry.answer, generic=True),
        Route("POST", _WORKLOADS + "/batch", workloads.batch, generic=True),
        Route("GET", any_one, listing.workload, generic=True),
        Route("GET", any_one + "/events", listing.events, generic=True),
        Route("GET", any_one + "/history", listing.history, generic=True),
        Route("GET", any_one + "/pods", listing.pods, generic=True),
        Route("GET", any_one + "/metrics", metrics.of_workload, generic=True),
        Route("GET", any_one + "/pods/{pod}/metrics", metrics.of_pod, generic=True),
        Route("GET", _CLUSTER + "/status", cluster.status, public=True),
        Route("GET", log, cluster.logs),
        Route("GET", log + "/download", cluster.download),
        Route("GET", _UNITS + "/projects", lookups.projects),
        Route("GET", _UNITS + "/projects/{key}", lookups.project),
        Route("GET", _UNITS + "/departments", lookups.departments),
        Route("GET", _UNITS + "/departments/{key}", lookups.department),
        Route("GET", "/api/v1/clusters", lookups.clusters),
        Route("GET", "/api/v1/clusters/{key}", lookups.cluster),
        Route("GET", "/api/v1/node-pools", lookups.node_pools),
        Route("GET", "/api/v1/workload-types", lookups.types),
        Route("GET", "/api/v1/workload-priorities", lookups.priorities),
        Route("GET", "/api/v1/workload-categories", lookups.categories),
    ]
