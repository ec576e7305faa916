"""The local platform: all protocols of the package, served on this machine."""

from .platform import AlreadyRunningError, LocalPlatform
from .settings import GarageSettings, PresetSettings

__all__ = ["AlreadyRunningError", "GarageSettings", "LocalPlatform", "PresetSettings"]
