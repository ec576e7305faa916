"""From a config folder to an open client, and the ways to log in and out.

Facts: public-api.md §2.3 and §3, config-and-auth.md §4 and §6.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import attrs
from yarl import URL

from . import auth
from .client import Client
from .config import (
    DEFAULT_API_URL,
    PASS_CONFIG_ENV_NAME,
    Config,
    Login,
    ServerConfig,
    Token,
    config_dir,
    cookies,
    store,
)
from .config.services import Services
from .config.user_files import load_user_config
from .errors import ConfigError
from .plugins import PluginManager, load_plugins
from .threads import run_blocking
from .tracing import trace_headers
from .transport import (
    DEFAULT_TIMEOUT,
    ClientSession,
    ClientTimeout,
    TraceConfig,
    Transport,
    open_session,
)

ShowBrowser = Callable[[URL], Awaitable[None]]
GetCode = Callable[[URL], Awaitable[str]]


class Factory:
    """Open clients for the login of one config folder, and make or remove that login.

    ``path`` None means the environment's ``NEUROMATION_CONFIG``, else ``~/.neuro``. All login
    methods raise ``ConfigError`` when there is a login already and write nothing before the whole
    flow has succeeded.
    """

    def __init__(
        self,
        path: Path | None = None,
        trace_configs: list[TraceConfig] | None = None,
        trace_id: str | None = None,
        trace_sampled: bool | None = None,
    ) -> None:
        self._path = config_dir(path)
        self._trace_configs = trace_configs
        self._trace = functools.partial(trace_headers, trace_id, trace_sampled)
        self._plugins: PluginManager = load_plugins()

    @property
    def path(self) -> Path:
        """Return the config folder."""
        return self._path

    @property
    def is_config_present(self) -> bool:
        """Tell whether the folder holds a login."""
        return store.is_present(self._path)

    async def get(self, *, timeout: ClientTimeout = DEFAULT_TIMEOUT) -> Client:
        """Open a client; the caller closes it.

        Inside a job started with ``pass_config`` the login it was given is used.

        Raises:
            ConfigError: no login, or one that cannot be used; the message says what to do.
        """
        present = await run_blocking(store.is_present, self._path)
        if not present and os.environ.get(PASS_CONFIG_ENV_NAME):
            await self.login_with_passed_config(timeout=timeout)
        login = await run_blocking(store.load, self._path)
        client = await self._open(login, timeout)
        try:
            await client.config.check_server()
        except ConfigError as error:
            await client.close()
            return await self._recovered(error, timeout)
        except BaseException:
            await client.close()
            raise
        return client

    async def load_user_config(self) -> Mapping[str, Any]:
        """Read the user's configuration files without opening a client."""
        return await run_blocking(self._load_user_config)

    async def login(
        self,
        show_browser_cb: ShowBrowser,
        *,
        url: URL = DEFAULT_API_URL,
        timeout: ClientTimeout = DEFAULT_TIMEOUT,
    ) -> None:
        """Log in through a browser; the callback shows the address to the user."""
        await self._login(lambda t: auth.login_by_browser(t, url, show_browser_cb), timeout)

    async def login_headless(
        self,
        get_auth_code_cb: GetCode,
        *,
        url: URL = DEFAULT_API_URL,
        timeout: ClientTimeout = DEFAULT_TIMEOUT,
    ) -> None:
        """Log in without a browser here; the callback returns the code the user brings."""
        await self._login(lambda t: auth.login_by_code(t, url, get_auth_code_cb), timeout)

    async def login_with_token(
        self,
        token: str,
        *,
        url: URL = DEFAULT_API_URL,
        timeout: ClientTimeout = DEFAULT_TIMEOUT,
    ) -> None:
        """Log in with a token issued elsewhere; it is kept as non-expiring."""
        await self._login(lambda t: auth.login_by_token(t, url, token), timeout)

    async def login_with_passed_config(
        self,
        config_data: str | None = None,
        *,
        timeout: ClientTimeout = DEFAULT_TIMEOUT,
    ) -> None:
        """Log in with the configuration that a job was given, by default from the environment.

        Raises:
            ConfigError: there is none, or it is malformed.
        """
        text = config_data if config_data is not None else os.environ.get(PASS_CONFIG_ENV_NAME)
        if text is None:
            raise ConfigError(
                f"{PASS_CONFIG_ENV_NAME} is not set; start the job with pass_config=True"
            )
        passed = auth.parse_passed_config(text)

        async def flow(transport: Transport) -> Login:
            login = await auth.login_by_token(transport, passed.url, passed.token)
            if passed.cluster not in login.clusters:
                raise ConfigError(
                    f"The passed configuration names the cluster {passed.cluster!r}, which the "
                    "platform does not give this user"
                )
            return _at_cluster(login, passed.cluster, passed.org_name)

        await self._login(flow, timeout)

    async def logout(self, show_browser_cb: ShowBrowser | None = None) -> None:
        """Remove the login from the disk; nothing is sent to the API, calling it again is fine.

        With a callback the platform's logout page is shown too, when the login can be read.
        """
        if show_browser_cb is not None:
            try:
                login = await run_blocking(store.load, self._path)
            except ConfigError:
                pass
            else:
                query = {"client_id": login.auth.client_id}
                await show_browser_cb(login.auth.logout_url.with_query(query))
        await run_blocking(store.remove, self._path)

    async def _login(
        self,
        flow: Callable[[Transport], Awaitable[Login]],
        timeout: ClientTimeout,
    ) -> None:
        if await run_blocking(store.is_present, self._path):
            raise store.already_logged_in(self._path)
        async with self._bare_transport(timeout) as transport:
            login = await flow(transport)
        await run_blocking(store.create, self._path, login)

    @asynccontextmanager
    async def _bare_transport(self, timeout: ClientTimeout) -> AsyncIterator[Transport]:
        async with open_session(timeout=timeout, trace_configs=self._trace_configs) as session:
            yield Transport(session=session, trace=self._trace)

    async def _open(self, login: Login, timeout: ClientTimeout) -> Client:
        user_config = await run_blocking(self._load_user_config)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(
                open_session(timeout=timeout, trace_configs=self._trace_configs)
            )
            await self._keep_cookies(stack, session)
            bare = Transport(session=session, trace=self._trace)

            async def refresh(refresh_token: str) -> Token:
                return await auth.refresh_token(bare, login.auth, refresh_token)

            tokens = auth.PlatformTokens(login.token, refresh, self._path)

            async def fetch() -> ServerConfig:
                return await auth.fetch_server_config(bare, login.url, await tokens.token())

            config = Config(
                self._path,
                login,
                tokens,
                fetch,
                self._load_user_config,
                username=auth.user_of_token,
                user_config=user_config,
            )
            transport = Transport(login.url, tokens, session=session, trace=self._trace)
            services = await run_blocking(Services.read, self._path)
            return Client(transport, config, services, stack.pop_all())
        raise AssertionError("unreachable")

    async def _keep_cookies(self, stack: AsyncExitStack, session: ClientSession) -> None:
        """Give the session the sticky cookies of the last run, and keep its own for the next."""
        for kept in await run_blocking(cookies.load, self._path):
            morsel: SimpleCookie = SimpleCookie()
            morsel[kept.name] = kept.value
            morsel[kept.name]["domain"] = kept.domain
            morsel[kept.name]["path"] = kept.path
            morsel[kept.name]["max-age"] = str(int(cookies.LIFETIME))
            session.cookie_jar.update_cookies(morsel)

        async def save() -> None:
            found = [
                cookies.SessionCookie(m.key, m["domain"], m["path"], m.value)
                for m in session.cookie_jar
                if cookies.is_session_cookie(m.key)
            ]
            if found:
                await run_blocking(cookies.save, self._path, found)

        stack.push_async_callback(save)

    async def _recovered(self, reason: ConfigError, timeout: ClientTimeout) -> Client:
        """Log in anew with the stored refresh token; raise ``reason`` if that is not possible.

        Only a login of this program's own format whose platform has changed comes here. A damaged
        or foreign database never does: it is reported and stays as it is.
        """
        try:
            login = await run_blocking(store.load, self._path)
            async with self._bare_transport(timeout) as transport:
                server = await auth.fetch_server_config(transport, login.url, None)
                token = await auth.refresh_token(transport, server.auth, login.token.refresh)
                server = await auth.fetch_server_config(transport, login.url, token.access)
            fresh = auth.build_login(login.url, server, token)
            if login.cluster_name is not None:
                fresh = _at_cluster(fresh, login.cluster_name, login.org_name)
            await run_blocking(store.save, self._path, fresh)
            return await self._open(fresh, timeout)
        except Exception as error:
            raise reason from error

    def _load_user_config(self) -> Mapping[str, Any]:
        return load_user_config(self._path, self._plugins.config.keys)


def _at_cluster(login: Login, cluster: str, org: str | None) -> Login:
    """Make ``cluster`` current, with ``org`` if it is one of the cluster's, else its first."""
    orgs = login.clusters[cluster].orgs
    if org not in orgs:
        org = None if None in orgs or not orgs else orgs[0]
    return attrs.evolve(login, cluster_name=cluster, org_name=org)


class _OpeningClient:
    """Open a client when awaited or entered; entered, it is closed on exit. Usable once."""

    def __init__(self, open_client: Callable[[], Awaitable[Client]]) -> None:
        self._open: Callable[[], Awaitable[Client]] | None = open_client
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return self._take().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._take()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()

    def _take(self) -> Awaitable[Client]:
        if self._open is None:
            raise RuntimeError("get() can be used once; call it again for another client")
        opening, self._open = self._open, None
        return opening()


def get(
    *,
    path: Path | None = None,
    timeout: ClientTimeout = DEFAULT_TIMEOUT,
    trace_configs: list[TraceConfig] | None = None,
) -> _OpeningClient:
    """Open a client: ``async with get() as client``, or ``client = await get()``.

    Raises:
        ConfigError: there is no usable login; see ``Factory.get``.
    """

    async def open_client() -> Client:
        factory = await run_blocking(Factory, path, trace_configs)
        return await factory.get(timeout=timeout)

    return _OpeningClient(open_client)


async def login(
    show_browser_cb: ShowBrowser,
    *,
    url: URL = DEFAULT_API_URL,
    path: Path | None = None,
    timeout: ClientTimeout = DEFAULT_TIMEOUT,
) -> None:
    """Log in through a browser; see ``Factory.login``."""
    await (await run_blocking(Factory, path)).login(show_browser_cb, url=url, timeout=timeout)


async def login_headless(
    get_auth_code_cb: GetCode,
    *,
    url: URL = DEFAULT_API_URL,
    path: Path | None = None,
    timeout: ClientTimeout = DEFAULT_TIMEOUT,
) -> None:
    """Log in with a code from a browser elsewhere; see ``Factory.login_headless``."""
    factory = await run_blocking(Factory, path)
    await factory.login_headless(get_auth_code_cb, url=url, timeout=timeout)


login_with_headless = login_headless


async def login_with_token(
    token: str,
    *,
    url: URL = DEFAULT_API_URL,
    path: Path | None = None,
    timeout: ClientTimeout = DEFAULT_TIMEOUT,
) -> None:
    """Log in with a token issued elsewhere; see ``Factory.login_with_token``."""
    await (await run_blocking(Factory, path)).login_with_token(token, url=url, timeout=timeout)


async def logout(*, path: Path | None = None, show_browser_cb: ShowBrowser | None = None) -> None:
    """Remove the login; see ``Factory.logout``."""
    await (await run_blocking(Factory, path)).logout(show_browser_cb)
