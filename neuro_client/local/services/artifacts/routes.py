"""The one table of the endpoints (grid-artifacts.md §3, §6, §8)."""

from __future__ import annotations

from collections.abc import Sequence

from .basics import Basics
from .datastores import Datastores
from .experiments import Experiments
from .graph import Graph
from .handlers import Route
from .runs import Runs

_AUTH, _CORE = "/v1/auth", "/v1/core"
_RUNS, _EXPERIMENTS = _CORE + "/{cluster}/runs", _CORE + "/{cluster}/experiments"
_DATASTORES = _CORE + "/{cluster}/datastores"


def routes(
    basics: Basics, runs: Runs, experiments: Experiments, datastores: Datastores, graph: Graph
) -> Sequence[Route]:
    """List the endpoints."""
    run, experiment, datastore = _RUNS + "/{id}", _EXPERIMENTS + "/{id}", _DATASTORES + "/{id}"
    return [
        Route("POST", _AUTH + "/login", public=basics.login),
        Route("POST", _AUTH + "/refresh", basics.refresh),
        Route("GET", _AUTH + "/user", basics.user),
        Route("GET", _CORE + "/clusters", basics.clusters),
        Route("GET", _CORE + "/clusters/{cluster}", basics.cluster),
        Route("GET", _CORE + "/sessions", basics.sessions),
        Route("POST", _RUNS, runs.create),
        Route("GET", _RUNS, runs.list),
        Route("GET", run, runs.get),
        Route("PUT", run, runs.update),
        Route("DELETE", run, runs.delete),
        Route("GET", _EXPERIMENTS, experiments.list),
        Route("GET", experiment, experiments.get),
        Route("PUT", experiment, experiments.update),
        Route("DELETE", experiment, experiments.delete),
        Route("GET", experiment + "/events", experiments.events),
        Route("GET", experiment + "/artifacts", experiments.artifacts),
        Route("POST", _DATASTORES, datastores.create),
        Route("GET", _DATASTORES, datastores.list),
        Route("GET", datastore, datastores.get),
        Route("DELETE", datastore, datastores.delete),
        Route("POST", datastore + "/presigned-urls", datastores.urls),
        Route("POST", datastore + "/presigned-urls/completed", datastores.urls_completed),
        Route("POST", datastore + "/completed", datastores.completed),
        Route("POST", "/graphql", public=graph.query),
        Route("GET", "/subscriptions", public=graph.subscriptions),
    ]
