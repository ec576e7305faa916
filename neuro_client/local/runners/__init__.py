"""Runners: what executes the jobs of the local platform."""

from __future__ import annotations

from .base import Exit, Mount, Runner, RunnerError, RunSpec, Usage
from .process import ProcessRunner

__all__ = ["Exit", "Mount", "ProcessRunner", "RunSpec", "Runner", "RunnerError", "Usage"]
