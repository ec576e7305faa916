"""Validate the body of ``POST /jobs``, both shapes (jobs.md §3.2–3.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ...errors import refuse
from ...scheduler import JobSpec
from ...scheduler.launch import PASSED_CONFIG
from ...settings import PresetSettings, Settings
from . import fields
from .fields import Fields, invalid

NAME = re.compile(r"[a-z](?:-?[a-z0-9])*\Z")
_MIB = 1 << 20
_MAX_SCHEDULE_TIMEOUT = 2_592_000
# Longer than anybody waits, and short enough to be counted in seconds of the epoch.
minutes = fields.integer(1, 2**31 - 1)
"""Accept the life span of a job."""


@attrs.frozen
class Wanted:
    """A valid request."""

    cluster: str
    org: str | None
    spec: JobSpec
    max_run_time_minutes: int | None


def parse(value: object, settings: Settings, *, from_preset: bool) -> Wanted:
    """Read a request; raises the 400 or 403 to answer with."""
    request = Fields(value)
    cluster, org = _place(request, settings)
    container: Fields = request
    if not from_preset:
        container = Fields(request.take("container", lambda item, path: item), "container")
    elif request.has("container"):
        raise refuse(400, "With ?from_preset the container's fields belong at the top level")
    preset = _preset(request, settings, needed=from_preset)
    pass_config = request.take("pass_config", fields.boolean, False)
    description = _container(container, cluster, preset if from_preset else None)
    if pass_config and PASSED_CONFIG in description["env"]:
        raise invalid("env", f"must not set {PASSED_CONFIG} together with pass_config")
    spec = _spec(request, description, preset, from_preset=from_preset, pass_config=pass_config)
    spec = attrs.evolve(spec, price=_price(description["resources"], preset, settings))
    life_span = request.take("max_run_time_minutes", fields.optional(minutes), None)
    container.end()
    request.end()
    return Wanted(cluster, org, spec, life_span)


def _place(request: Fields, settings: Settings) -> tuple[str, str | None]:
    if not settings.clusters:
        raise refuse(403, "You do not belong to any cluster")
    name = request.take("cluster_name", fields.text, next(iter(settings.clusters)))
    if name not in settings.clusters:
        known = ", ".join(settings.clusters)
        raise refuse(403, f"Cluster {name!r} does not exist for you; yours are: {known}")
    orgs = settings.clusters[name].orgs
    default = None if None in orgs else orgs[0]
    org = request.take("org_name", fields.optional(fields.text), default)
    if org not in orgs:
        known = ", ".join(item or "(none)" for item in orgs)
        raise refuse(403, f"You are not a member of organization {org!r}; yours are: {known}")
    return name, org


def _preset(request: Fields, settings: Settings, *, needed: bool) -> PresetSettings | None:
    default = next(iter(settings.presets), None) if needed else None
    name: str | None = request.take("preset_name", fields.text, default)
    if name is None:
        return None
    if name not in settings.presets:
        known = ", ".join(settings.presets)
        raise refuse(400, f"Preset {name!r} does not exist; choose one of: {known}")
    return settings.presets[name]


def _spec(
    request: Fields,
    container: Mapping[str, Any],
    preset: PresetSettings | None,
    *,
    from_preset: bool,
    pass_config: bool,
) -> JobSpec:
    scheduler = request.take("scheduler_enabled|is_preemptible", fields.boolean, False)
    node = request.take("preemptible_node|is_preemptible_node_required", fields.boolean, False)
    if from_preset and preset is not None:
        scheduler, node = preset.scheduler_enabled, preset.preemptible_node
    timeout = request.take("schedule_timeout", fields.optional(_schedule_timeout), None)
    if timeout is not None and scheduler:
        raise invalid("schedule_timeout", "is not allowed for jobs with scheduler_enabled")
    return JobSpec(
        container=container,
        name=request.take("name", fields.optional(_name), None),
        preset_name=None if preset is None else preset.name,
        description=request.take("description", fields.optional(fields.text), None),
        tags=request.take("tags", _tags, ()),
        schedule_timeout=timeout,
        restart_policy=request.take(
            "restart_policy", fields.one_of("never", "on-failure", "always"), "never"
        ),
        wait_for_jobs_quota=request.take("wait_for_jobs_quota", fields.boolean, False),
        privileged=request.take("privileged", fields.boolean, False),
        priority=request.take("priority", fields.one_of("low", "normal", "high"), "normal"),
        scheduler_enabled=scheduler,
        preemptible_node=node,
        pass_config=pass_config,
    )


def _name(value: object, path: str) -> str:
    name = fields.string(value, path)
    if not 3 <= len(name) <= 40 or not NAME.match(name):
        raise invalid(
            path,
            "must be 3 to 40 characters: lower case letters, digits and single hyphens, "
            f"starting with a letter, not {name!r}",
        )
    if name.startswith("job-"):
        raise invalid(path, "must not start with 'job-', which marks ids")
    return name


def _tags(value: object, path: str) -> tuple[str, ...]:
    found = fields.items(fields.string)(value, path)
    if len(found) > 16:
        raise invalid(path, f"may have at most 16 items, not {len(found)}")
    for tag in found:
        if not 1 <= len(tag) <= 256 or re.search(r"\s", tag):
            raise invalid(path, f"must have 1 to 256 characters each, no white space: {tag!r}")
    return tuple(sorted(set(found)))


def _schedule_timeout(value: object, path: str) -> float:
    seconds = fields.number(value, path)
    if not 1 <= seconds < _MAX_SCHEDULE_TIMEOUT:
        raise invalid(path, f"must be at least 1 and below {_MAX_SCHEDULE_TIMEOUT} seconds")
    return seconds


def _container(container: Fields, cluster: str, preset: PresetSettings | None) -> dict[str, Any]:
    """Give the container object of the job JSON (jobs.md §4)."""
    env = container.take("env", fields.mapping(fields.string), {})
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            raise invalid(container.path("env"), f"has an impossible variable: {name!r}")
    found: dict[str, Any] = {
        "image": container.take("image", fields.text),
        "env": env,
        "volumes": container.take("volumes", _mounts("storage", cluster, "src_storage_uri", 0), []),
        "resources": container.take("resources", _resources(preset), None)
        or _resources(preset)({}, container.path("resources")),
    }
    optional: dict[str, Callable[[object, str], Any]] = {
        "entrypoint": fields.optional(fields.command_line),
        "command": fields.optional(fields.command_line),
        "working_dir": fields.optional(fields.absolute_path),
        "http": fields.optional(_http),
        "secret_env": fields.mapping(fields.resource_uri("secret", cluster, parts=2)),
        "secret_volumes": _mounts("secret", cluster, "src_secret_uri", 2),
        "disk_volumes": _mounts("disk", cluster, "src_disk_uri", 2),
        "tty": fields.boolean,
    }
    for name, check in optional.items():
        value = container.take(name, check, None)
        if value:
            found[name] = value
    both = env.keys() & found.get("secret_env", {}).keys()
    if both:
        names = ", ".join(sorted(both))
        raise invalid(container.path("secret_env"), f"sets the same variables as env: {names}")
    return found


def _mounts(
    scheme: str, cluster: str, source: str, parts: int
) -> Callable[[object, str], list[dict[str, Any]]]:
    def check_one(value: object, path: str) -> dict[str, Any]:
        item = Fields(value, path)
        found: dict[str, Any] = {
            source: item.take(source, fields.resource_uri(scheme, cluster, parts=parts)),
            "dst_path": item.take("dst_path", fields.absolute_path),
        }
        if scheme != "secret":
            found["read_only"] = item.take("read_only", fields.boolean, True)
        item.end()
        if found["dst_path"] == "/":
            raise invalid(item.path("dst_path"), "must not be '/'")
        return found

    def check(value: object, path: str) -> list[dict[str, Any]]:
        found = fields.items(check_one)(value, path)
        places = [item["dst_path"] for item in found]
        for place in places:
            if places.count(place) > 1:
                raise invalid(path, f"mounts two things at {place}")
        return found

    return check


def _http(value: object, path: str) -> dict[str, Any]:
    item = Fields(value, path)
    found = {
        "port": item.take("port", fields.integer(0, 65535)),
        "health_check_path": item.take("health_check_path", fields.text, "/"),
        "requires_auth": item.take("requires_auth", fields.boolean, False),
    }
    item.end()
    return found


def _resources(preset: PresetSettings | None) -> Callable[[object, str], dict[str, Any]]:
    def check(value: object, path: str) -> dict[str, Any]:
        item = Fields(value, path)
        shm = item.take("shm", fields.optional(fields.boolean), None)
        if preset is not None:
            cpu, memory = preset.cpu, preset.memory
        else:
            cpu = item.take("cpu", fields.number)
            if cpu < 0.1:
                raise invalid(item.path("cpu"), f"must be at least 0.1, not {cpu}")
            if item.has("memory"):
                memory = item.take("memory", fields.integer(16 * _MIB))
                item.take("memory_mb", fields.integer(16), None)
            else:
                memory = item.take("memory_mb", fields.integer(16)) * _MIB
            _no_accelerators(item)
        item.end()
        found: dict[str, Any] = {"cpu": cpu, "memory": memory, "memory_mb": memory // _MIB}
        if shm is not None:
            found["shm"] = shm
        return found

    return check


def _no_accelerators(item: Fields) -> None:
    count = item.take("gpu", fields.optional(fields.integer(0)), None)
    model = item.take("gpu_model", fields.optional(fields.text), None)
    tpu = item.take("tpu", fields.optional(lambda value, path: value), None)
    if count or model or tpu:
        raise invalid(item.path("tpu" if tpu else "gpu"), "is not available: the cluster has none")


def _price(resources: Mapping[str, Any], preset: PresetSettings | None, settings: Settings) -> str:
    """Give the preset's price, else that of the cheapest preset the resources fit into."""
    if preset is not None:
        return str(preset.credits_per_hour)
    fitting = [
        item.credits_per_hour
        for item in settings.presets.values()
        if item.cpu >= resources["cpu"] and item.memory >= resources["memory"]
    ]
    return str(min(fitting, default=Decimal(0)))
