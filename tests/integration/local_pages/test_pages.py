"""The pages of a service: who gets in, what they show, and what their forms do."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import webbrowser
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import attrs
import pytest
from click.testing import CliRunner, Result
from yarl import URL

from neuro_client.cli.main import cli
from neuro_client.local.pages import Meter, PageFile, SignIns
from neuro_client.local.pages.rendering import human_size, human_time, plain, tone
from neuro_client.local.pages.sign_ins import LINK_LIFETIME, SESSION_LIFETIME

from .source import Sample, sample_platform


class Parsed(HTMLParser):
    """Collect the tags of a page, and check that they are closed in order."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag]


@attrs.frozen
class Shown:
    """Hold an answer."""

    status: int
    headers: Mapping[str, str]
    text: str
    location: str

    @property
    def parsed(self) -> Parsed:
        return Parsed(self.text)

    @property
    def token(self) -> str:
        """Return what the page's forms bring along."""
        tokens = [a["value"] for a in self.parsed.of("input") if a.get("name") == "token"]
        assert tokens and tokens[0]
        return tokens[0]


@attrs.frozen
class Browser:
    """Keep cookies, and do not follow where a page leads."""

    session: aiohttp.ClientSession

    async def open(self, url: URL, form: dict[str, str] | None = None) -> Shown:
        method = "GET" if form is None else "POST"
        async with self.session.request(method, url, data=form, allow_redirects=False) as answer:
            text = await answer.text()
            assert "Content-Security-Policy" in answer.headers or answer.status in (303, 405)
            return Shown(answer.status, answer.headers, text, answer.headers.get("Location", ""))


@asynccontextmanager
async def new_browser() -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Browser(session)


@pytest.fixture
async def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sample]:
    async with sample_platform(tmp_path / "data", monkeypatch) as sample:
        yield sample


async def test_who_gets_in(sample: Sample) -> None:
    pages, platform = sample.pages, sample.platform
    assert platform is not None
    id = sample.full()
    main = platform.url / "dashboard"
    async with new_browser() as browser, new_browser() as stranger:
        for url in (main, pages.url, pages.run_url(id), pages.run_url("none")):
            refused = await browser.open(url)
            assert refused.status == 401
            assert "neuro-client local dashboard" in refused.text
            assert "full" not in refused.text
        again = pages.run_url(id) / "submit-again"
        assert (await browser.open(again, {"token": "x"})).status == 401

        link = pages.sign_in_link("user", pages.run_path(id))
        landed = await browser.open(link)
        assert landed.status == 200
        cookie = landed.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        [refresh] = [a for a in landed.parsed.of("meta") if a.get("http-equiv") == "refresh"]
        assert refresh["content"] == f"0; url={pages.run_path(id)}"
        assert (await browser.open(pages.run_url(id))).status == 200
        assert (await browser.open(main)).status == 200  # one link opens all

        used = await stranger.open(link)
        assert used.status == 403
        assert "used before" in used.text
        assert (await stranger.open(pages.url)).status == 401
        for wrong in ("", "?secret=", "?secret=%00%ff"):
            assert (await stranger.open(URL(f"{pages.url}/sign-in{wrong}"))).status == 403

        assert (await browser.open(pages.url / "sign-out", {"token": "x"})).status == 403
        token = (await browser.open(pages.url)).token
        assert (await browser.open(pages.url / "sign-out", {"token": token})).status == 200
        assert (await browser.open(pages.url)).status == 401
    for path in ("/other", "//evil.example", "/dashboards", "https://evil.example/dashboard"):
        with pytest.raises(ValueError, match="no page"):
            pages.sign_in_link("user", path)


async def test_what_the_pages_show(sample: Sample) -> None:
    pages, platform = sample.pages, sample.platform
    assert platform is not None
    async with new_browser() as browser:
        await browser.open(pages.sign_in_link("user"))
        assert "There are no runs yet" in (await browser.open(pages.url)).text
        id = sample.full()
        strange = (PageFile("no text \udcff", 1, ""),)
        going = sample.source.add("going", "RUNNING", meter=Meter(5, None), files=strange)

        listed = await browser.open(URL(f"{pages.url}/"))
        links = [str(a["href"]) for a in listed.parsed.of("a")]
        assert links[1:] == [pages.run_path(going), pages.run_path(id)]
        assert links[0] == str(platform.url / "dashboard")
        assert "full &amp; &lt;b&gt;bold&lt;/b&gt;" in listed.text
        assert [a["datetime"] for a in listed.parsed.of("time")][1] == "2026-11-21T08:30:00+00:00"

        shown = await browser.open(pages.run_url(id))
        assert "&lt;script&gt;alert(1)&lt;/script&gt;\nlast line</pre>" in shown.text
        assert "<script" not in shown.text
        assert "javascript:" not in shown.text
        for part in ("17 B", "5.0 GiB", "it was done", "3.0 GiB of 4.0 GiB"):
            assert part in shown.text
        [meter] = shown.parsed.of("meter")
        assert (meter["value"], meter["max"]) == (str(3 * 2**30), str(4 * 2**30))
        assert not [a for a in shown.parsed.of("meta") if a.get("http-equiv")]
        [file] = [a for a in shown.parsed.of("a") if "download" in a]
        assert str(file["href"]).endswith("/file.csv")

        running = await browser.open(pages.run_url(going))
        assert [a["content"] for a in running.parsed.of("meta") if a.get("http-equiv")] == ["5"]
        assert "there is no limit" in running.text
        assert "no text ?" in running.text
        assert "submit-again" not in running.text
        still = await browser.open(pages.run_url(going).with_query(refresh="off"))
        assert not [a for a in still.parsed.of("meta") if a.get("http-equiv")]

        odd = await browser.open(pages.run_url("a/b <i>"))
        assert odd.status == 404
        assert "a/b &lt;i&gt;" in odd.text
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert (await browser.open(pages.url / "style.css")).status == 200

        sample.source.broken = "the <disk> is full"
        home = await browser.open(platform.url / "dashboard")
        assert home.status == 200
        assert "This cannot be shown now: the &lt;disk&gt; is full" in home.text
        sample.source.broken = ""

        for number in range(6):
            sample.source.add(f"more {number}")
        home = await browser.open(platform.url / "dashboard")
        assert "All 8 of Samples" in home.text
        assert [str(a["href"]) for a in home.parsed.of("a")].count(str(pages.url)) == 2
        assert str(pages.run_url("run 8")) in home.text


async def test_submit_again(sample: Sample) -> None:
    pages = sample.pages
    id = sample.full()
    going = sample.source.add("going")
    async with new_browser() as browser, new_browser() as other:
        await browser.open(pages.sign_in_link("user"))
        token = (await browser.open(pages.run_url(id))).token
        again = pages.run_url(id) / "submit-again"
        for wrong in ({}, {"token": ""}, {"token": token[:-1]}, {"token": "ü\udcff"[:1]}):
            assert (await browser.open(again, wrong)).status == 403
        assert (await browser.open(again)).status == 405
        assert len(sample.source.runs) == 2

        done = await browser.open(again, {"token": token})
        assert (done.status, done.location) == (303, "/dashboard/runs/run%203")
        assert sample.source.runs["run 3"].name == sample.source.runs[id].name

        # The button of one page, pressed twice, makes one run; loaded anew, it makes another.
        for number in (4, 5):
            shown = await browser.open(pages.run_url(id))
            [once] = [a["value"] for a in shown.parsed.of("input") if a.get("name") == "once"]
            form = {"token": token, "once": str(once)}
            both = await asyncio.gather(browser.open(again, form), browser.open(again, form))
            assert {answer.location for answer in both} == {f"/dashboard/runs/run%20{number}"}

        refused = await browser.open(pages.run_url(going) / "submit-again", {"token": token})
        assert refused.status == 409
        assert "still &lt;running&gt;" in refused.text
        gone = await browser.open(pages.run_url("none") / "submit-again", {"token": token})
        assert gone.status == 404

        # Another user sees nothing of it, and a token of one session is none of another.
        await other.open(pages.sign_in_link("other"))
        assert "There are no runs" in (await other.open(pages.url)).text
        assert (await other.open(pages.run_url(id))).status == 404
        assert (await other.open(again, {"token": token})).status == 403
        theirs = (await other.open(pages.url)).token
        assert (await other.open(again, {"token": theirs})).status == 404
    assert len(sample.source.runs) == 5


async def called(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, cli, words)


async def test_a_program_asks_for_a_link(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = sample.platform
    assert platform is not None
    links = URL(platform.ready["dashboard_url"]) / "links"
    async with new_browser() as browser:
        for token in (None, "wrong"):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            async with browser.session.post(links, headers=headers) as answer:
                assert answer.status == 401

        opened: list[str] = []

        def note(link: str) -> bool:
            opened.append(link)
            return True

        monkeypatch.setattr(webbrowser, "open", note)
        data = ("--data", str(platform.data))
        printed = []
        for before, after in (((), ()), ((), ("--open",)), (("--json",), ())):
            done = await called(*before, "local", "dashboard", *data, *after)
            assert done.exit_code == 0
            printed.append(done.stdout.strip())
        assert opened == [printed[1]]
        for link in (printed[0], printed[1], json.loads(printed[2])["url"]):
            assert (await browser.open(URL(link))).status == 200
            home = await browser.open(platform.url / "dashboard")
            assert re.search(r"Signed in as\s*<b>user</b>", home.text)
    missing = await called("local", "dashboard", "--data", str(tmp_path))
    assert missing.exit_code == 4
    assert "No platform is running" in missing.stderr


def test_links_and_sessions_end() -> None:
    now = 0.0
    signs = SignIns(lambda: now)
    first, second = signs.new_link("user", "/a"), signs.new_link("other", "/b")
    found = signs.redeem(first)
    assert found is not None
    assert found[1] == "/a"
    session = signs.session(found[0])
    assert session is not None
    assert session.user == "user"
    assert session.form_token not in repr(session)
    assert signs.redeem(first) is None
    now = LINK_LIFETIME + 1
    assert signs.redeem(second) is None
    now = SESSION_LIFETIME + 1
    assert signs.session(found[0]) is None
    kept = [signs.new_link("user", "/") for _ in range(1500)]
    assert signs.redeem(kept[0]) is None
    assert signs.redeem(kept[-1]) is not None
    # Only hashes are kept.
    assert not any(secret in repr(vars(signs)) for secret in (kept[-2], found[0]))


def test_importing_the_pages_reads_no_templates() -> None:
    code = """
import sys, jinja2
from importlib import resources
resources.files = lambda *_: sys.exit("read")
from neuro_client.local.pages import rendering
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_how_values_are_shown() -> None:
    sizes = {0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 * 2**40: "5.0 TiB", 2**60: "1024.0 PiB"}
    assert {size: human_size(size) for size in sizes} == sizes
    assert human_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04:05 UTC"
    tones = {
        "SUCCEEDED": "good",
        "EXPERIMENT_STATE_FAILED": "bad",
        "cancelled": "stopped",
        "image_building": "active",
        "": "active",
    }
    assert {state: tone(state) for state in tones} == tones
    log = "\x1b[1;32mepoch\x1b[0m 1\tdone\r\n\x1b]0;title\x07 50%\r100%\x00\n\x1b[2Kü\n"
    assert plain(log) == "epoch 1\tdone\n 50%100%\nü\n"
