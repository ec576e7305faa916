"""What the samples of the configuration need on the local platform: nothing."""

from __future__ import annotations

from collections.abc import Mapping

from ..golden import Prepare

PREPARE: Mapping[str, Prepare] = {}
