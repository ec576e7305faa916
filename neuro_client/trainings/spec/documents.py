"""Read YAML documents; the library is an optional extra, loaded on first use."""

from __future__ import annotations

import json
from typing import Any

from ...errors import ConfigError
from .violations import InvalidSpecError


def read_yaml(document: str | bytes) -> Any:
    """Decode one document into what JSON has; dates stay the texts they were written as.

    Raises:
        InvalidSpecError: it is no YAML, more than one document, or a part contains itself.
        ConfigError: the library is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise ConfigError(
            "Cannot read YAML: PyYAML is not installed; run: pip install 'neuro_client[trainings]'"
        ) from error

    class Loader(yaml.SafeLoader):
        """Leave dates as texts, since JSON has none."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    try:
        loaded = yaml.load(document, Loader)
        json.dumps(loaded, default=str)
    except yaml.MarkedYAMLError as error:
        # Its own text repeats the document, which may hold secrets.
        mark = error.problem_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidSpecError(f"Cannot read the YAML document: {error.problem}{place}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = type(error).__name__
        raise InvalidSpecError(f"Cannot read the YAML document as JSON: {reason}") from None
    return loaded
