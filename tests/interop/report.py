"""Print what was called, what was left out and what failed."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import Any


def left_out() -> dict[str, dict[str, str]]:
    """Read which names are not called, and why."""
    text = Path(__file__).with_name("left_out.toml").read_text("utf-8")
    return tomllib.loads(text)


def judge(title: str, report: dict[str, Any], left_out: dict[str, str]) -> bool:
    """Print what was called, what was left out and what failed; tell whether all is well."""
    members, used = set(report["members"]), set(report["used"])
    reasons = {
        name: reason
        for pattern, reason in left_out.items()
        for name in fnmatch.filter(members, pattern)
    }
    print(f"\n{title}: {len(report['steps'])} steps, {len(used)} of {len(members)} called")
    for name in sorted(members - used):
        print(f"  not called  {name}: {reasons.get(name, '!! no reason given')}")
    stale = sorted(set(reasons) & used)
    stale += [pattern for pattern in left_out if not fnmatch.filter(members, pattern)]
    for name in stale:
        print(f"  !! {name} is left out, but it was called or does not exist")
    for step, problem in report["failed"].items():
        print(f"  !! {step} failed\n{problem}")
    return not (report["failed"] or stale or members - used - set(reasons))
