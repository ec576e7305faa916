"""The version of the package, readable by every layer."""

__version__ = "0.1.0"
