"""Images of containers: in the platform's registry, and to and from the local engine."""

from .api import Images

__all__ = ["Images"]
