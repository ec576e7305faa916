"""Run a program as a client of S3, with credentials in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import os
import subprocess

from shared import Scenario


class Program(Scenario):
    """Run commands; ``before`` are the words that stand before all others."""

    before: tuple[str, ...] = ()

    def says(self, *words, code=0, given=None, stdin=b"") -> bytes:
        """Run one command, check its exit code, and return what it printed."""
        opening = {**self.given, **(given or {})}
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": opening["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": opening["secret_access_key"],
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_MAX_ATTEMPTS": "1",
        }
        if token := opening.get("session_token"):
            environment["AWS_SESSION_TOKEN"] = token
        command = [*self.before, *map(str, words)]
        done = subprocess.run(
            command, env=environment, input=stdin, capture_output=True, timeout=60, check=False
        )
        if done.returncode != code:
            text = (done.stdout + done.stderr).decode(errors="replace")
            raise AssertionError(f"{words} ended with {done.returncode}:\n{text}")
        return done.stdout if not code else done.stdout + done.stderr

    def fails(self, word, *words, code, given=None) -> None:
        """Run one command and check what it complains about."""
        text = self.says(*words, code=code, given=given).decode(errors="replace")
        if word not in text:
            raise AssertionError(f"{words} said not {word}, but:\n{text}")

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.key(key)}"
