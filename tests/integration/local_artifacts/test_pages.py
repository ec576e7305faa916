"""The pages of experiments: what they show, and submitting one again."""

from __future__ import annotations

import re

import aiohttp
import pytest
from yarl import URL

from .conftest import Api

SCRIPT = "import sys; print('factor', *sys.argv[1:]); open('out & more.txt', 'w').write('hello')"


@pytest.mark.thorough
async def test_an_experiment_has_a_page(api: Api) -> None:
    _, [_, experiment] = await api.submit(
        "shown", SCRIPT, "train.py --factor '[2,4]'", sweepType="grid_search"
    )
    await api.done(experiment)
    [pages] = [one for one in api.platform.dashboard.pages if one.title == "Experiments"]
    path = pages.run_path(experiment)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:

        async def load(url: str | URL) -> str:
            async with browser.get(url) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.text()

        await load(pages.sign_in_link("user", path))
        listed = await load(pages.url)
        assert "shown-exp0" in listed and "shown-exp1" in listed and "succeeded" in listed
        text = await load(pages.run_url(experiment))
        assert "factor --factor 4" in text and "The image is ready" in text
        assert "out%20%26%20more.txt" in text
        [link] = re.findall(r'href="(http[^"]*/artifacts/[^"]*)"', text)
        assert await load(URL(link.replace("&amp;", "&"), encoded=True)) == "hello"
        [token] = set(re.findall(r'name="token" value="([^"]+)"', text))
        for name in ("shown-again", "shown-again-2"):
            async with browser.post(
                URL(str(pages.run_url(experiment)) + "/submit-again"), data={"token": token}
            ) as answer:
                assert answer.status == 200
                new = answer.url.path.rpartition("/")[2]
            assert (await api.experiment(new))["name"] == f"{name}-exp0"
            await api.done(new)
            assert list(await api.contents(new)) == ["out%20%26%20more.txt"]
        played = await api.platform.artifacts.add_run("played", {"a": b""})
        assert "submit-again" not in await load(pages.run_url(played.experiments[0].id))
        await api.platform.artifacts.add_user("ada")
        await load(pages.sign_in_link("ada", None))
        assert "shown" not in await load(pages.url)
        async with browser.get(pages.run_url(experiment)) as answer:
            assert answer.status == 404
