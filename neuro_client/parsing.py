"""Read what users write: URIs, volumes, environments, image names.

Facts: public-api.md §9 and §14.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs
from yarl import URL

from . import uris
from .image_names import parse_local, parse_remote
from .models import (
    UNSET,
    DiskVolume,
    LocalImage,
    RemoteImage,
    Scope,
    SecretFile,
    TagOption,
    Unset,
    Volume,
)

_MODES = {"ro": True, "rw": False}


class _Registry(Protocol):
    @property
    def registry_url(self) -> URL: ...


class Current(Protocol):
    """Be what the parser needs to know of the configuration."""

    @property
    def cluster_name(self) -> str:
        """Return the current cluster."""
        ...

    @property
    def org_name(self) -> str | None:
        """Return the current organisation."""
        ...

    @property
    def username(self) -> str:
        """Return the user's name."""
        ...

    @property
    def clusters(self) -> Mapping[str, _Registry]:
        """Return the known clusters."""
        ...


@attrs.frozen
class EnvParseResult:
    """Hold an environment, its secrets apart."""

    env: dict[str, str]
    secret_env: dict[str, URL]


@attrs.frozen
class VolumeParseResult:
    """Hold volumes by kind, each in the order they were written."""

    volumes: Sequence[Volume]
    secret_files: Sequence[SecretFile]
    disk_volumes: Sequence[DiskVolume]


class Parser:
    """Turn text into records; obtained as ``client.parse``.

    Short forms are completed with the current cluster, organisation and user.
    """

    def __init__(self, config: Current) -> None:
        self._config = config

    def str_to_uri(
        self,
        id_or_name_or_uri: str | None = None,
        *,
        uri: str | None = None,
        allowed_schemes: Iterable[str] = (),
        cluster_name: str | None = None,
        org_name: str | Unset | None = UNSET,
        short: bool = False,
    ) -> URL:
        """Expand a URI as the user wrote it; a local path too where ``file`` is allowed.

        ``uri`` is another name of the first argument.

        Raises:
            ValueError: says what is wrong and what to write instead.
        """
        text = id_or_name_or_uri if id_or_name_or_uri is not None else uri
        if text is None:
            raise TypeError("str_to_uri() needs the text of a URI")
        return uris.uri_from_text(
            text,
            self._scope(cluster_name, org_name),
            allowed_schemes=_collected(allowed_schemes),
            short=short,
        )

    def normalize_uri(
        self,
        uri: URL,
        *,
        allowed_schemes: Iterable[str] = (),
        cluster_name: str | None = None,
        org_name: str | Unset | None = UNSET,
        short: bool = False,
    ) -> URL:
        """Expand or abbreviate a URI of the platform; ``ValueError`` if it is none."""
        return uris.normalize(
            uri,
            self._scope(cluster_name, org_name),
            allowed_schemes=_collected(allowed_schemes),
            short=short,
        )

    def uri_to_str(self, uri: URL) -> str:
        """Return the text of a URI."""
        return str(uri)

    def uri_to_path(self, uri: URL, *, cluster_name: str | None = None) -> Path:
        """Return the path of a ``file:`` URL; ``ValueError`` for another one."""
        return uris.file_path(uri)

    def path_to_uri(self, path: Path) -> URL:
        """Return the absolute ``file:`` URL of a path."""
        return uris.file_uri(path)

    def volume(
        self,
        volume: str,
        cluster_name: str | None = None,
        org_name: str | Unset | None = UNSET,
    ) -> Volume:
        """Read ``storage:PATH:CONTAINER_PATH[:ro|:rw]``; read-write unless it says otherwise."""
        uri, path, read_only = self._mount(volume, "storage", cluster_name, org_name)
        return Volume(uri, path, read_only)

    def volumes(self, volume: Sequence[str], cluster_name: str | None = None) -> VolumeParseResult:
        """Read mounts of storage, disks and secrets.

        Raises:
            ValueError: one is malformed; a secret cannot have a mode.
        """
        volumes: list[Volume] = []
        secrets: list[SecretFile] = []
        disks: list[DiskVolume] = []
        for text in volume:
            if text in ("HOME", "ALL"):
                raise ValueError(f"{text!r} is not supported any more; write storage::PATH")
            if text.startswith("secret:"):
                if text.count(":") != 2:
                    raise ValueError(f"{text!r}: write secret:NAME:CONTAINER_PATH")
                uri, path, _ = self._mount(text, "secret", cluster_name, UNSET)
                secrets.append(SecretFile(uri, path))
            elif text.startswith("disk:"):
                uri, path, read_only = self._mount(text, "disk", cluster_name, UNSET)
                disks.append(DiskVolume(uri, path, read_only))
            else:
                volumes.append(self.volume(text, cluster_name))
        return VolumeParseResult(volumes, secrets, disks)

    def envs(
        self,
        env: Sequence[str],
        env_file: Sequence[str] = (),
        cluster_name: str | None = None,
    ) -> EnvParseResult:
        """Read ``NAME=VALUE`` lines of files, then of ``env``; a later one wins.

        ``NAME`` alone takes its value from this process. A value that begins with ``secret:`` is
        the URI of a secret. The files are read at once, in the calling thread.

        Raises:
            FileNotFoundError: there is no such file. ValueError: a secret's URI is malformed, or a
                file is not UTF-8.
        """
        values: dict[str, str | URL] = {}
        for line in [*_lines(env_file), *env]:
            name, equals, value = line.partition("=")
            if not equals:
                value = os.environ.get(name, "")
            if value.startswith("secret:"):
                values[name] = self.str_to_uri(
                    value, allowed_schemes=("secret",), cluster_name=cluster_name
                )
            else:
                values[name] = value
        return EnvParseResult(
            {name: value for name, value in values.items() if isinstance(value, str)},
            {name: value for name, value in values.items() if isinstance(value, URL)},
        )

    def local_image(self, image: str) -> LocalImage:
        """Read the name of a local image; ``ValueError`` if it is none."""
        return parse_local(image)

    def remote_image(
        self,
        image: str,
        *,
        tag_option: TagOption = TagOption.DEFAULT,
        cluster_name: str | None = None,
    ) -> RemoteImage:
        """Read the name of an image in a registry.

        Raises:
            ValueError: it is malformed. RuntimeError: the cluster is unknown.
        """
        registries = {name: c.registry_url for name, c in self._config.clusters.items()}
        return parse_remote(image, self._scope(cluster_name, UNSET), registries, tag_option)

    def _scope(self, cluster_name: str | None, org_name: str | Unset | None) -> Scope:
        return Scope(
            self._config.cluster_name if cluster_name is None else cluster_name,
            self._config.org_name if isinstance(org_name, Unset) else org_name,
            self._config.username,
        )

    def _mount(
        self, text: str, scheme: str, cluster_name: str | None, org_name: str | Unset | None
    ) -> tuple[URL, str, bool]:
        parts = text.split(":")
        if len(parts) not in (3, 4):
            raise ValueError(f"{text!r} is not a volume; write {scheme}:PATH:CONTAINER_PATH[:ro]")
        read_only = False
        if len(parts) == 4:
            mode = parts.pop()
            if mode not in _MODES:
                raise ValueError(f"{text!r}: the mode {mode!r} is neither ro nor rw")
            read_only = _MODES[mode]
        path = parts.pop()
        uri = self.str_to_uri(
            ":".join(parts),
            allowed_schemes=(scheme,),
            cluster_name=cluster_name,
            org_name=org_name,
        )
        return uri, path, read_only


def _collected(schemes: Iterable[str]) -> Collection[str]:
    return schemes if isinstance(schemes, list | tuple) else tuple(schemes)


def _lines(paths: Sequence[str]) -> list[str]:
    found = []
    for path in paths:
        # utf-8-sig: some editors put a byte order mark first.
        text = Path(path).expanduser().read_bytes().decode("utf-8-sig")
        for raw in text.splitlines():
            line = raw.lstrip()
            if line and not line.startswith("#"):
                found.append(line)
    return found
