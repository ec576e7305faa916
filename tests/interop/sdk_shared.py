"""What the scenarios of the published library share; runs in its environment, not in ours."""

# mypy: ignore-errors

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import neuro_sdk
from yarl import URL


class Given:
    """Hold what all steps share: the platform, the logins, a folder."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.folder = Path(given["folder"])
        self.url = URL(given["api_url"])
        self.token = given["token"]
        self.bob = given["bob_token"]
        self.config = Path(given["config"])

    def client(self) -> Any:
        return neuro_sdk.get(path=self.config)

    async def as_bob(self) -> Any:
        """Return a client of the other user; enter it."""
        factory = neuro_sdk.Factory(self.folder / "bob")
        if not factory.is_config_present:
            await factory.login_with_token(self.bob, url=self.url)
        return await factory.get()


@contextlib.contextmanager
def expected(*kinds: type[BaseException]) -> Any:
    try:
        yield
    except kinds:
        return
    raise AssertionError(f"no {' or '.join(kind.__name__ for kind in kinds)} was raised")


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


async def all_of(listing: Any) -> list[Any]:
    async with listing as items:
        return [item async for item in items]
