"""The stored login, the user's configuration files and the settings of foreign systems."""

from .api import Config
from .models import AuthConfig, Cluster, Dialect, Login, Preset, ServerConfig, Token
from .paths import (
    CONFIG_ENV_NAME,
    DEFAULT_API_URL,
    DEFAULT_CONFIG_PATH,
    PASS_CONFIG_ENV_NAME,
    config_dir,
)

__all__ = [
    "CONFIG_ENV_NAME",
    "DEFAULT_API_URL",
    "DEFAULT_CONFIG_PATH",
    "PASS_CONFIG_ENV_NAME",
    "AuthConfig",
    "Cluster",
    "Config",
    "Dialect",
    "Login",
    "Preset",
    "ServerConfig",
    "Token",
    "config_dir",
]
