"""The page behind ``dashboard_url`` shows a task, its files with links, and starts it again."""

from __future__ import annotations

import re

import pytest

from .conftest import Api
from .files import workspace

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


async def test_a_task_has_a_page(api: Api) -> None:
    await api.put(workspace("my-run"))
    await api.put(workspace("fails", 'raise ValueError("boom")'))
    await api.platform.workspaces.set_quota("user", size=2**30)
    task_id = await api.create("my-run", "Today's <run>")
    failed = await api.create("fails", "Fails")
    await api.until(task_id, "FINISHED")
    await api.until(failed, "FAILED")
    [pages] = [one for one in api.platform.dashboard.pages if one.title == "Workspaces"]
    assert str(pages.run_url(task_id)) == f"{api.url}/dashboard/jobs/{task_id}"
    async with api.session.get(pages.run_url(task_id)) as answer:
        assert answer.status == 401
    async with api.session.get(pages.sign_in_link("user")) as answer:
        assert answer.status == 200
        # A browser keeps cookies of an address without a name; this client does not.
        [cookie] = answer.cookies.values()
    headers = {"Cookie": f"{cookie.key}={cookie.value}"}
    async with api.session.get(pages.url, headers=headers) as answer:
        text = await answer.text()
        assert "Today&#39;s &lt;run&gt;" in text and "FAILED" in text
    async with api.session.get(pages.run_url(failed), headers=headers) as answer:
        assert "worker-0: ValueError: boom" in await answer.text()
    async with api.session.get(pages.run_url(task_id), headers=headers) as answer:
        text = await answer.text()
    assert "training on some" in text and "<meter" in text and "FINISHED" in text
    [link] = re.findall(r'href="([^"]+/model_out/checkpoint\.json[^"]*)"', text)
    async with api.session.get(link.replace("&amp;", "&")) as answer:
        assert answer.headers["Content-Disposition"] == "attachment"
        assert await answer.json(content_type=None) == {"layer": [2.0, 1.0]}

    [token] = re.findall(r'name="token" value="([^"]+)"[^>]*>\s*<button[^>]*>Submit again', text)
    form = {"token": token}
    url = f"{pages.run_url(task_id)}/submit-again"
    async with api.session.post(url, data=form, headers=headers) as answer:
        again = answer.url.name
        assert (answer.status, again != task_id) == (200, True)
    assert (await api.until(again, "FINISHED"))["name"] == "Today's <run>"
