"""Run training jobs and move the data they need, from asyncio."""

from ._version import __version__

__all__ = ["__version__"]
