"""The pages in a real browser, most of the time without JavaScript."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from yarl import URL

from neuro_client.artifacts import Artifacts, RunRequest
from neuro_client.local import LocalPlatform
from neuro_client.local.pages import Meter

from ..integration.local_pages.source import BEGIN, CONTENT, Sample, sample_platform
from ..integration.workspaces.world import opened

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed; make browser installs it", allow_module_level=True)
playwright = pytest.importorskip(
    "playwright.async_api", reason="playwright is not installed; make browser installs it"
)

SCRIPT = """
import pathlib, time
print("training", flush=True)
pathlib.Path("out").mkdir()
pathlib.Path("out/50% & more.txt").write_text("half")
time.sleep(3)
pathlib.Path("last.txt").write_text("words")
"""
ODD = "out/50%25%20%26%20more.txt"
# Every control has a name, headings are in order, text can be told from its ground.
CHECK = """() => {
  const wrong = [];
  const named = e => (e.getAttribute('aria-label') || e.innerText || e.title
    || (e.getAttribute('aria-labelledby') || '').split(' ')
      .map(id => document.getElementById(id)?.innerText || '').join('')
    || [...(e.labels || [])].map(l => l.innerText).join('')).trim();
  for (const e of document.querySelectorAll(
      'a, button, select, textarea, meter, nav, [role], [tabindex], input:not([type=hidden])'))
    if (!named(e)) wrong.push('no name: ' + e.outerHTML);
  let level = 0;
  for (const e of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const own = Number(e.tagName[1]);
    if (own > level + 1 || (own === 1 && level)) wrong.push('out of order: ' + e.outerHTML);
    level = own;
  }
  if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) wrong.push('not one main');
  if (!document.documentElement.lang || !document.title) wrong.push('no language or title');
  for (const e of document.querySelectorAll('table'))
    if (!e.querySelector('th[scope]')) wrong.push('a table without headings');
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      const [, , , alpha = 1] = parts(colour);
      if (alpha > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const e of document.body.querySelectorAll('*')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    if (e.tagName === 'METER') continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) wrong.push('contrast ' + contrast + ': ' + e.outerHTML);
  }
  return wrong;
}"""


@attrs.define
class Watched:
    """Hold a page and all that it asked for or complained about."""

    page: Page
    requests: list[str] = attrs.field(factory=list)
    complaints: list[str] = attrs.field(factory=list)

    def check(self, ports: set[int | None]) -> None:
        """Make sure that nothing came from elsewhere, and that nothing was wrong."""
        assert self.complaints == []
        web = [URL(url) for url in self.requests if not url.startswith("data:")]
        assert {(url.host, url.port) for url in web} <= {("127.0.0.1", port) for port in ports}
        assert web


@asynccontextmanager
async def connected(platform: LocalPlatform) -> AsyncIterator[Artifacts]:
    """Sign in to the platform's artifacts."""
    ready = platform.ready["artifacts"]
    async with Artifacts.connect(
        ready["url"], user_id=ready["user_id"], api_key=ready["api_key"]
    ) as artifacts:
        yield artifacts


@pytest.fixture
async def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sample]:
    async with sample_platform(tmp_path / "data", monkeypatch) as sample:
        yield sample


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with playwright.async_playwright() as driver:
        found = await driver.chromium.launch(executable_path=CHROMIUM)
        try:
            yield found
        finally:
            await found.close()


@asynccontextmanager
async def watched(browser: Browser, **options: Any) -> AsyncIterator[Watched]:
    """Open a window with cookies of its own."""
    context = await browser.new_context(**options)
    try:
        found = Watched(await context.new_page())
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("console", lambda message: found.complaints.append(message.text))
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        yield found
    finally:
        await context.close()


async def test_without_javascript(sample: Sample, browser: Browser, tmp_path: Path) -> None:
    pages, platform = sample.pages, sample.platform
    assert platform is not None
    id = sample.full()
    going = sample.source.add("going")
    link = str(pages.sign_in_link("user", pages.run_path(id)))
    async with watched(browser, java_script_enabled=False) as window:
        page = window.page
        await page.goto(link)
        await page.wait_for_url(str(pages.run_url(id)))
        assert await page.locator("h1").inner_text() == "full & <b>bold</b>"
        assert await page.locator("#state").inner_text() == "succeeded"
        log = await page.get_by_role("region", name="Log").inner_text()
        assert log.strip().splitlines() == ["first", "<script>alert(1)</script>", "last line"]
        meter = page.get_by_role("meter", name="Storage")
        assert await meter.get_attribute("value") == str(3 * 2**30)
        row = page.get_by_role("row", name="out/loss.csv")
        assert "17 B" in await row.inner_text()

        async with page.expect_download() as arriving:
            await page.get_by_role("link", name="out/loss.csv").click()
        download = await arriving.value
        await download.save_as(tmp_path / "loss.csv")
        assert await asyncio.to_thread((tmp_path / "loss.csv").read_bytes) == CONTENT

        await page.get_by_role("button", name="Submit again").click()
        await page.wait_for_url(str(pages.run_url("run 3")))
        assert await page.locator("#state").inner_text() == "pending"
        assert list(sample.source.runs) == [id, going, "run 3"]

        # The page of a run that goes on changes by itself.
        run = sample.source.runs["run 3"]
        sample.source.runs["run 3"] = attrs.evolve(run, state="failed", finished=BEGIN)
        await page.locator("#state", has_text="failed").wait_for()

        await page.get_by_role("link", name="Samples").click()
        names = await page.locator("tbody a").all_inner_texts()
        assert names == ["full & <b>bold</b>", "going", "full & <b>bold</b>"]
        await page.get_by_role("link", name="Local platform").click()
        await page.get_by_role("heading", name="Dashboard").wait_for()
        await page.get_by_role("link", name="going").click()
        await page.get_by_role("link", name="Stop that").click()
        await page.get_by_role("link", name="Load it anew by itself").wait_for()
        window.check({platform.url.port, pages.url.port})
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_text("You can close this page").wait_for()

    async with watched(browser, java_script_enabled=False) as stranger:
        await stranger.page.goto(link)
        assert "used before" in await stranger.page.locator("main").inner_text()
        answer = await stranger.page.goto(str(pages.run_url(id)))
        assert answer is not None
        assert answer.status == 401
        assert "neuro-client local dashboard" in await stranger.page.locator("main").inner_text()


async def fetched(browser: Browser, page: Page, name: str) -> str:
    """Return what the link to a file leads to; it needs no cookie."""
    link = await page.get_by_role("link", name=name).get_attribute("href")
    assert link is not None
    stranger = await browser.new_context()
    try:
        answer = await stranger.request.get(link)
        assert answer.ok
        text: str = await answer.text()
        return text
    finally:
        await stranger.close()


async def test_a_task_of_workspaces(browser: Browser, tmp_path: Path) -> None:
    async with opened(tmp_path / "world") as world, watched(browser) as window:
        await world.platform.workspaces.set_quota("user", size=2**30)
        task = await world.submit("My <Run>")
        [pages] = [one for one in world.platform.dashboard.pages if one.title == "Workspaces"]
        page, place = window.page, str(task.dashboard_url)
        answer = await page.goto(place)
        assert answer is not None
        assert answer.status == 401
        window.complaints.clear()  # the browser says so, too

        await page.goto(str(pages.sign_in_link("user", pages.run_path(task.id))))
        await page.wait_for_url(place)
        await page.locator("#state", has_text="FINISHED").wait_for()
        assert await page.locator("h1").inner_text() == "My <Run>"
        assert "training on" in await page.get_by_role("region", name="Log").inner_text()
        assert 0 < float(await page.get_by_role("meter").get_attribute("value") or 0) < 2**30
        assert await page.evaluate(CHECK) == []

        assert json.loads(await fetched(browser, page, "checkpoint.json")) == {"layer": [3.5, 1.0]}

        await page.get_by_role("button", name="Submit again").click()
        await page.wait_for_url(lambda url: url != place)
        again = URL(page.url).name
        assert sorted(await world.tasks()) == sorted([task.id, again])
        await page.locator("#state", has_text="FINISHED").wait_for()
        ready = world.platform.ready["workspaces"]
        window.check({URL(ready["url"]).port, URL(ready["s3_url"]).port})


async def test_an_experiment(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    await asyncio.to_thread(folder.mkdir)
    await asyncio.to_thread((folder / "train.py").write_text, SCRIPT)
    async with (
        LocalPlatform(tmp_path / "data", port=0) as platform,
        connected(platform) as artifacts,
        watched(browser, java_script_enabled=False) as window,
    ):
        platform.artifacts.timing.interval = 0.1
        await artifacts.submit(RunRequest(script="train.py", local_dir=folder, name="nightly"))
        page = window.page
        main = URL(platform.ready["dashboard_url"])
        answer = await page.context.request.post(
            str(main / "links"), headers={"Authorization": f"Bearer {platform.token}"}
        )
        await page.goto((await answer.json())["url"])
        await page.wait_for_url(str(main))
        await page.get_by_role("link", name="nightly-exp0").click()

        # It is followed to its end by nothing but the page's own refresh.
        await page.get_by_role("region", name="Log").get_by_text("training").wait_for()
        await page.get_by_role("link", name=ODD).wait_for()
        await page.locator("#state.good, #state .good").wait_for()
        assert await fetched(browser, page, ODD) == "half"
        assert await fetched(browser, page, "last.txt") == "words"

        place = page.url
        await page.get_by_role("button", name="Submit again").click()
        await page.wait_for_url(lambda url: url != place)
        assert await page.locator("h1").inner_text() != "nightly-exp0"
        window.check({main.port, URL(platform.ready["artifacts"]["url"]).port})


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_readable_for_everybody(sample: Sample, browser: Browser, scheme: str) -> None:
    pages, platform = sample.pages, sample.platform
    assert platform is not None
    states = ("running", "failed", "cancelled", "pending")
    runs = [sample.source.add(state, state, log_tail="x" * 500) for state in states]
    runs.append(sample.source.add("fast full", meter=Meter(99, 100), message="m" * 300))
    full = sample.full()
    async with watched(browser, color_scheme=scheme) as window:
        page = window.page
        # Where the link is followed from another site, the cookie must be sent all the same.
        elsewhere = str(platform.url.with_host("localhost") / "dashboard/style.css")
        await page.goto(elsewhere)
        link = str(pages.sign_in_link("user"))
        async with page.expect_navigation(url=str(pages.url)):
            await page.evaluate("link => { location.href = link }", link)
        window.requests.clear()
        places = [pages.url, platform.url / "dashboard", pages.run_url(full)]
        for url in (*places, *map(pages.run_url, runs)):
            await page.goto(str(url.with_query(refresh="off")))
            assert await page.evaluate(CHECK) == [], url
        # Nothing is wider than a narrow screen, but for what scrolls by itself.
        await page.set_viewport_size({"width": 320, "height": 640})
        for url in (*places, pages.run_url(runs[0])):
            await page.goto(str(url.with_query(refresh="off")))
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, url
        # All that can be used is reached by the keyboard.
        await page.goto(str(pages.run_url(full)))
        reached = []
        for _ in range(12):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate("document.activeElement.innerText"))
        assert {"Local platform", "Samples", "Sign out", "Submit again", "out/loss.csv"} <= {
            text.strip() for text in reached
        }
        window.check({platform.url.port, pages.url.port})
        for url in (pages.run_url("none"), pages.url / "sign-in"):
            await page.goto(str(url))
            assert await page.evaluate(CHECK) == [], url
    async with watched(browser, color_scheme=scheme) as stranger:
        await stranger.page.goto(str(pages.url))
        assert await stranger.page.evaluate(CHECK) == []
