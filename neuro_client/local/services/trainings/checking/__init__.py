"""Check what is asked for before it is taken (runai-trainings.md §5, §6, §9).

``strict`` names every violation of the field table and of the rules between fields; ``lenient``
looks only at the required fields of the top level.
"""

from __future__ import annotations

from typing import Any

from .fields import SPEC
from .kinds import DNS_LABEL, UUID, Violation, Walk
from .rules import check_rules

__all__ = ["MODES", "PROFILES", "Violation", "check", "unreadable"]

PROFILES = ("2.18", "latest")
MODES = ("strict", "lenient")
_VERSIONS = {"2.18": (2, 18), "latest": (99, 0)}
_TOP = ("name", "useGivenNameAsPrefix", "projectId", "clusterId", "templateId", "spec")
_LONGEST_NAME, _SUFFIX = 63, 6


def check(body: dict[str, Any], profile: str, mode: str) -> list[Violation]:
    """Name everything that is wrong with a request to create a training."""
    walk = Walk(_VERSIONS[profile])
    _required(body, walk)
    if mode == "strict":
        _top(body, walk)
        if isinstance(body.get("spec"), dict):
            SPEC(body["spec"], "spec", walk)
            # A value of the wrong type has been named; the rules look at what is left.
            check_rules(body["spec"], walk)
        if body.get("spec") is None or not body["spec"].get("image"):
            walk.add("spec.image", "is missing, and no template gives one")
    return walk.found


def unreadable(spec: Any) -> list[Violation]:
    """Name the fields of a spec, which nobody may have checked, that cannot be used."""
    walk = Walk(_VERSIONS["2.18"], tolerant=True)
    if spec is not None:
        SPEC(spec, "spec", walk)
    return walk.found


def _required(body: dict[str, Any], walk: Walk) -> None:
    name, project, cluster = (body.get(key) for key in ("name", "projectId", "clusterId"))
    if not isinstance(name, str) or not name:
        walk.add("name", "must be a text of at least one character")
    if isinstance(project, bool) or not isinstance(project, str | int) or project == "":
        walk.add("projectId", "must be the id of a project")
    if not isinstance(cluster, str) or not UUID.fullmatch(cluster):
        walk.add("clusterId", "must be a UUID")
    if not isinstance(body.get("useGivenNameAsPrefix"), bool | None):
        walk.add("useGivenNameAsPrefix", "must be true or false")
    if not isinstance(body.get("spec"), dict | None):
        walk.add("spec", "must be an object")
        body["spec"] = None


def _top(body: dict[str, Any], walk: Walk) -> None:
    for key, value in body.items():
        if key not in _TOP and value is not None:
            walk.add(key, "is not known")
    name, template = body.get("name"), body.get("templateId")
    if isinstance(name, str) and name:
        longest = _LONGEST_NAME - (_SUFFIX if body.get("useGivenNameAsPrefix") is True else 0)
        if not DNS_LABEL.fullmatch(name):
            walk.add("name", "must consist of a-z, 0-9 and inner dashes")
        elif len(name) > longest:
            walk.add("name", f"must not be longer than {longest} characters")
    if template is not None:
        if walk.version < (2, 23):
            walk.add("templateId", "came with version 2.23")
        elif not isinstance(template, str) or not UUID.fullmatch(template):
            walk.add("templateId", "must be a UUID")
