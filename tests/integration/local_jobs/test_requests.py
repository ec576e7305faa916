"""Validation, lists, rights and HTTP ports of jobs (jobs.md §3, §5, §11)."""

from __future__ import annotations

import json
import socket
from typing import Any

import aiohttp
import pytest
from yarl import URL

from .conftest import Api, eventually, sh


def volume(uri: str, path: str = "/v", **more: Any) -> dict[str, Any]:
    """Give the volumes field with one volume."""
    return {"volumes": [{"src_storage_uri": uri, "dst_path": path, **more}]}


OWN = "storage://default/user/x"
BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"name": "ab"}, "name"),
    ({"name": "Upper"}, "name"),
    ({"name": "a--b"}, "name"),
    ({"name": "job-1"}, "job-"),
    ({"name": "a" * 41}, "name"),
    ({"preset_name": "nope"}, "tiny, half"),
    ({"preset_name": "huge"}, "this machine has"),
    ({"tags": ["a b"]}, "tags"),
    ({"tags": [""]}, "tags"),
    ({"tags": [str(n) for n in range(17)]}, "16"),
    ({"description": ""}, "description"),
    ({"schedule_timeout": 0.5}, "schedule_timeout"),
    ({"schedule_timeout": 2_592_000}, "schedule_timeout"),
    ({"schedule_timeout": 5, "preset_name": "shared"}, "scheduler_enabled"),
    ({"restart_policy": "sometimes"}, "restart_policy"),
    ({"max_run_time_minutes": 0}, "max_run_time_minutes"),
    ({"max_run_time_minutes": True}, "max_run_time_minutes"),
    ({"priority": "top"}, "priority"),
    ({"project_name": "demo"}, "project_name"),
    ({"container": {}}, "from_preset"),
    ({"command": "sh -c 'x"}, "command"),
    ({"command": 5}, "command"),
    ({"working_dir": "rel"}, "working_dir"),
    ({"http": {"port": 65536}}, "http.port"),
    ({"http": {"port": 1, "other": 2}}, "http.other"),
    ({"env": {"A": 1}}, "env.A"),
    ({"env": {"NEURO_PASSED_CONFIG": "x"}, "pass_config": True}, "NEURO_PASSED_CONFIG"),
    (volume("storage://other/user/x"), "cluster"),
    (volume("blob://default/user/x"), "storage://"),
    (volume("storage://default/user/../x"), "'..'"),
    (volume("storage://default/user/x?a=1"), "query"),
    (volume(OWN, "rel"), "dst_path"),
    (volume(OWN, "/a/../b"), "dst_path"),
    (volume(OWN, "/"), "dst_path"),
    (volume(OWN, extra=1), "extra"),
    ({"volumes": volume(OWN)["volumes"] * 2}, "two things"),
    ({"secret_env": {"S": "secret://default/user"}}, "owner and a name"),
    ({"secret_env": {"S": "secret://default/user/s"}}, "does not exist"),
    (
        {"secret_volumes": [{"src_secret_uri": "secret://default/user/s", "dst_path": "/s"}]},
        "Secret secret://default/user/s does not exist",
    ),
    (
        {"disk_volumes": [{"src_disk_uri": "disk://default/user/d", "dst_path": "/d"}]},
        "Disk disk://default/user/d does not exist",
    ),
    ({"resources": {"cpu": 1}}, "resources.cpu"),
]


async def test_what_is_refused(api: Api) -> None:
    wrong = []
    for fields, text in BAD_FIELDS:
        answer = await api.start(**{"preset": "tiny", **fields}, status=400)
        if text not in answer["error"]:
            wrong.append((fields, answer))
    assert wrong == []
    assert await api.call("GET", "/jobs") == {"jobs": []}


async def test_both_shapes(api: Api) -> None:
    container = {"image": "ubuntu", "command": "true", "resources": {"cpu": 0.1, "memory_mb": 16}}
    body = {"container": container, "is_preemptible": True}
    job = await api.call("POST", "/jobs", json=body, status=202)
    assert job["container"]["resources"] == {"cpu": 0.1, "memory": 16 << 20, "memory_mb": 16}
    assert job["scheduler_enabled"] is job["is_preemptible"] is True
    assert job["price_credits_per_hour"] == "1"
    await api.done(job["id"])
    bad = [
        {"image": "ubuntu", "preset_name": "tiny"},
        {"container": {**container, "resources": {"cpu": 0.01, "memory_mb": 16}}},
        {"container": {**container, "resources": {"cpu": 1, "memory": 1}}},
        {"container": {**container, "resources": {"cpu": 1, "memory_mb": 16, "gpu": 1}}},
        {"container": {**container, "resources": {"cpu": 1, "memory_mb": 1 << 40}}},
        [],
    ]
    for item in bad:
        assert (await api.call("POST", "/jobs", json=item, status=400))["error"]
    await api.call("POST", "/jobs", data=b"{", status=400)


async def test_foreign_clusters_and_organizations(api: Api) -> None:
    assert "default" in (await api.start(cluster_name="mars", status=403))["error"]
    assert "acme" in (await api.start(org_name="evil", status=403))["error"]
    job = await api.start(org_name="acme")
    assert job["uri"] == f"job://default/acme/user/{job['id']}"
    await api.done(job["id"])


async def test_pass_config_logs_the_job_in(api: Api) -> None:
    script = (
        "import base64, json, os, urllib.request as r\n"
        'c = json.loads(base64.b64decode(os.environ["NEURO_PASSED_CONFIG"]))\n'
        'q = r.Request(c["url"] + "/jobs", headers={"Authorization": "Bearer " + c["token"]})\n'
        "print(sorted(c), len(json.load(r.urlopen(q))[chr(106) + 'obs']))"
    ).replace("'", '"')
    job, log = await api.run(f"python -c '{script}'", pass_config=True)
    assert log == "['cluster', 'org_name', 'token', 'url'] 1\n"
    assert job["container"]["env"] == {}


async def test_list_filters(api: Api) -> None:
    first = await api.start("true", name="alpha", tags=["x", "y"])
    await api.done(first["id"])
    second = await api.start("sleep 30", name="beta", tags=["x"])
    await api.until(second["id"], "running")

    async def names(query: str) -> list[str]:
        found = await api.call("GET", f"/jobs?{query}", status=200)
        return [job["name"] for job in found["jobs"]]

    assert await names("") == ["alpha", "beta"]
    assert await names("reverse=1") == ["beta", "alpha"]
    assert await names("reverse=1&limit=1") == ["beta"]
    assert await names("status=succeeded&status=failed") == ["alpha"]
    assert await names("name=beta") == ["beta"]
    assert await names("name=") == ["alpha", "beta"]
    assert await names("tag=x") == ["alpha", "beta"]
    assert await names("tag=x&tag=y") == ["alpha"]
    assert await names("owner=user&base_owner=user&cluster_name=default") == ["alpha", "beta"]
    assert await names("owner=other") == []
    created = second["history"]["created_at"].replace("+", "%2B")
    assert await names(f"since={created}") == ["beta"]
    assert await names(f"until={created}") == ["alpha", "beta"]
    assert await names("being_dropped=False&logs_removed=0&materialized=TRUE") == ["beta"]
    assert await names(f"hostname={first['id']}.jobs.example") == ["alpha"]
    assert await names("hostname=beta--user.jobs.example") == ["beta"]
    for query in (
        *("limit=0", "limit=x", "status=odd", "being_dropped=maybe", "name=Bad_", "owner=a%20b"),
        *("since=soon", "hostname=a--b&name=beta", "hostname=plain"),
    ):
        await api.call("GET", f"/jobs?{query}", status=400)
    await api.call("POST", f"/jobs/{first['id']}/drop", status=204)
    assert await names("being_dropped=0") == ["beta"]
    path = f"/jobs/{first['id']}/drop_progress"
    await api.call("POST", path, json={"logs_removed": True}, status=204)
    assert await names("") == ["beta"]


async def test_list_as_lines(api: Api) -> None:
    ids = [(await api.start())["id"] for _ in range(3)]
    url, headers = f"{api.platform.api_url}/jobs", {"Accept": "application/x-ndjson"}
    async with api.session.get(url, headers={**api.headers, **headers}) as answer:
        assert answer.content_type == "application/x-ndjson"
        lines = (await answer.text()).splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids


async def test_another_user_sees_what_is_shared(api: Api) -> None:
    job = await api.start("sleep 30", name="shared-one")
    await api.until(job["id"], "running")
    other = Api(api.session, api.platform, await api.platform.add_user("grace"))
    paths = [
        ("GET", f"/jobs/{job['id']}", "read"),
        ("DELETE", f"/jobs/{job['id']}", "write"),
        ("POST", f"{api.mon}/{job['id']}/kill", "write"),
        ("GET", f"{api.mon}/{job['id']}/log", "read"),
    ]
    for method, path, action in paths:
        answer = await other.call(method, path, status=403)
        assert answer == {"missing": [{"uri": job["uri"], "action": action}]}
    assert await other.call("GET", "/jobs") == {"jobs": []}
    await other.call("GET", "/jobs/shared-one", status=400)
    answer = await other.start(**volume("storage://default/user/x"), status=403)
    assert answer == {"missing": [{"uri": "storage://default/user/x", "action": "read"}]}
    uri = URL("job://default/user/shared-one")
    await api.platform.access.grant("grace", uri, "read")
    assert (await other.get(job["id"]))["id"] == job["id"]
    assert len((await other.call("GET", "/jobs"))["jobs"]) == 1
    await other.call("DELETE", f"/jobs/{job['id']}", status=403)
    await api.call("GET", "/jobs/job-none", status=400)


SERVER = """
import hashlib, base64, socketserver, http.server as h, sys
class H(h.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        key = self.headers.get("Sec-WebSocket-Key")
        if key:
            text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            digest = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", digest)
            self.end_headers()
            self.wfile.write(bytes([129, 2]) + b"hi" + bytes([136, 0]))
            self.close_connection = True
            return
        text = (self.path + " " + str(self.headers.get("Authorization"))).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[::-1])
    def log_message(self, *a): pass
print("up", flush=True)
h.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


async def test_http_port_is_proxied(api: Api) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = api.platform.storage_root("default") / "user" / "web"
    folder.mkdir()
    (folder / "s.py").write_text(SERVER)
    job = await api.start(
        f"python -S /w/s.py {port}",
        name="web",
        http={"port": port, "requires_auth": True},
        **volume("storage://default/user/web", "/w"),
    )
    assert job["http_url"] == str(api.platform.url / "jobs" / job["id"] / "")
    assert job["http_url_named"] == str(api.platform.url / "jobs" / "web--user" / "")
    await api.until(job["id"], "running")
    url = job["http_url"]

    async def answers() -> bool:
        async with api.session.get(url, headers=api.headers) as answer:
            return answer.status != 502

    await eventually(answers)
    async with api.session.get(url + "a%2Fb?c=%20d", headers=api.headers) as answer:
        assert (answer.status, await answer.text()) == (201, "/a%2Fb?c=%20d None")
    async with api.session.post(
        job["http_url_named"], headers=api.headers, data=b"abc" * 99999
    ) as answer:
        assert await answer.read() == (b"abc" * 99999)[::-1]
    async with api.session.get(url) as answer:
        assert answer.status == 401
    async with api.session.get(url, headers={"Cookie": f"dat={api.platform.token}"}) as answer:
        assert answer.status == 201
    stranger = await api.platform.add_user("grace")
    async with api.session.get(url, headers={"Authorization": f"Bearer {stranger}"}) as answer:
        assert answer.status == 403
    async with api.session.ws_connect(url + "socket", headers=api.headers) as ws:
        assert await ws.receive_str() == "hi"
    await api.call("DELETE", f"/jobs/{job['id']}", status=204)
    async with api.session.get(url, headers=api.headers) as answer:
        assert answer.status == 503


async def test_http_without_auth_is_open(api: Api) -> None:
    job = await api.start(sh("sleep 30"), http={"port": 1})
    await api.until(job["id"], "running")
    async with api.session.get(job["http_url"]) as answer:
        assert answer.status == 502
        assert "port 1" in (await answer.json())["error"]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await api.session.ws_connect(job["http_url"])
