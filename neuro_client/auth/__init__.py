"""Logging in, and keeping a login's token valid."""

from .login import (
    build_login,
    fetch_server_config,
    login_by_browser,
    login_by_code,
    login_by_token,
    parse_passed_config,
)
from .oauth import refresh_token
from .tokens import PlatformTokens, token_from_answer, user_of_token

__all__ = [
    "PlatformTokens",
    "build_login",
    "fetch_server_config",
    "login_by_browser",
    "login_by_code",
    "login_by_token",
    "parse_passed_config",
    "refresh_token",
    "token_from_answer",
    "user_of_token",
]
