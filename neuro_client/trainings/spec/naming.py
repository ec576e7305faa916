"""Turn the names of attributes into the names on the wire, and paths into texts."""

from __future__ import annotations

from functools import cache


@cache
def wire_name(attribute: str) -> str:
    """Return the wire's camel case: ``gpu_memory_limit`` is ``gpuMemoryLimit``."""
    first, *others = attribute.split("_")
    return first + "".join(word.capitalize() for word in others)


def join(path: str, name: str) -> str:
    """Return the dotted path of a field below ``path``, which may be empty."""
    return f"{path}.{name}" if path else name
