"""Runs really run: sweeps, phases, counts, stop, delete, what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neuro_client.local.services.artifacts.sweeps import SweepError, commands, parameters

from .conftest import CORE, Api, archive

WRITES = """
import os, sys
os.makedirs("out")
open("out/args.txt", "w").write(" ".join(sys.argv[1:]))
open("/tmp/other.txt", "w").write("elsewhere")
open(os.path.expanduser("~/home.txt"), "w").write("at home")
print("done", flush=True)
"""
WAITS = """
import os, time
open("early.txt", "w").write("kept")
while True: time.sleep(0.05)
"""


@pytest.mark.thorough
async def test_a_sweep_runs_and_its_files_are_captured(api: Api) -> None:
    sweep: dict[str, Any] = {"sweepType": "grid_search", "env": {"COLOUR": "red"}}
    made = await api.create("sweep", "train.py --factor '[2,4]'", **sweep)
    first, second = made["status"]["experimentIds"]
    assert made["status"]["phase"] == "RUN_STATE_PENDING"
    assert made["status"]["experimentCounts"]["pending"] == 2
    assert (await api.run(made["id"]))["status"]["uploadUrl"]  # a client may ask again
    source = archive({"train.py": WRITES, "data/given.txt": "not an artifact"})
    _, _, headers = await api.send("PUT", made["status"]["uploadUrl"], data=source)
    assert len(headers["ETag"].strip('"')) == 32
    for experiment_id, factor in ((first, "2"), (second, "4")):
        status = await api.done(experiment_id)
        assert status["phase"] == "EXPERIMENT_STATE_SUCCEEDED" and status["finishTimestamp"]
        assert await api.contents(experiment_id) == {
            "home/home.txt": b"at home",
            "out/args.txt": f"--factor {factor}".encode(),
            "tmp/other.txt": b"elsewhere",
        }
    assert await api.phases(first) == [
        *("PENDING", "QUEUED", "IMAGE_BUILDING", "RUNNING", "RUNNING", "SUCCEEDED"),
    ]
    run = await api.run(made["id"])
    assert run["status"]["phase"] == "RUN_STATE_SUCCEEDED" and run["status"]["finishTimestamp"]
    assert run["status"]["experimentCounts"]["succeeded"] == 2
    assert run["status"]["uploadUrl"] == ""
    # The same source once more is a repetition, another one is not.
    await api.call("PUT", made["status"]["uploadUrl"], data=source)
    answer = await api.call("PUT", made["status"]["uploadUrl"], status=412, data=b"other")
    assert b"<Code>PreconditionFailed</Code>" in answer
    await check_failures(api)
    await check_listings(api, made["id"])


async def check_failures(api: Api) -> None:
    """See that a crash keeps what was written, and what cannot run says why."""
    crash = "open('early.txt', 'w').write('kept'); raise SystemExit(3)"
    _, [crashed] = await api.submit("crash", crash)
    actions = {"onExperimentStart": ["echo one >> log.txt"], "onExperimentEnd": ["exit 7"]}
    _, [acted] = await api.submit("acts", "open('log.txt', 'a').write('two')", actions=actions)
    broken = await api.create("broken")
    await api.call("PUT", broken["status"]["uploadUrl"], data=b"no archive")
    body = {"name": "cloned", "spec": {"runControllerCommand": "a.py", "sourceCode": "github"}}
    cloned = await api.call("POST", f"{CORE}/runs", json=body)
    for experiment_id, words in (
        (crashed, "exit code 3"),
        (acted, "exit code 7"),
        (broken["status"]["experimentIds"][0], "cannot be unpacked"),
        (cloned["status"]["experimentIds"][0], "--localdir"),
    ):
        status = await api.done(experiment_id)
        assert status["phase"] == "EXPERIMENT_STATE_FAILED" and words in status["message"], status
    assert await api.contents(crashed) == {"early.txt": b"kept"}
    assert await api.contents(acted) == {"log.txt": b"one\ntwo"}
    assert (await api.run(broken["id"]))["status"]["phase"] == "RUN_STATE_FAILED"


async def check_listings(api: Api, sweep: str) -> None:
    """See filters and pages."""
    path = f"{CORE}/runs?phaseNotIn=RUN_STATE_DELETED"
    names = [run["name"] for run in (await api.call("GET", path))["runs"]]
    assert names == ["cloned", "broken", "acts", "crash", "sweep"]
    found = await api.call("GET", f"{CORE}/runs?query=c&phaseIn=RUN_STATE_FAILED")
    assert [run["name"] for run in found["runs"]] == ["cloned", "crash"]
    page = await api.call("GET", f"{path}&pageSize=3")
    token = page["nextPageToken"]
    assert token and page["totalSize"] == "5"
    page = await api.call("GET", f"{path}&pageSize=3&pageToken={token}")
    assert [run["name"] for run in page["runs"]] == names[3:] and page["nextPageToken"] == ""
    await api.refused("GET", f"{CORE}/experiments?pageToken={token}", 400, 3)
    found = await api.call("GET", f"{CORE}/experiments?runIds={sweep}&limit=1")
    assert [one["name"] for one in found["experiments"]] == ["sweep-exp0"]
    query = f"runIds={sweep}&limit=1&pageToken={found['nextPageToken']}"
    found = await api.call("GET", f"{CORE}/experiments?{query}")
    assert [one["name"] for one in found["experiments"]] == ["sweep-exp1"]
    assert found["nextPageToken"] == "" and found["totalSize"] == "2"
    failed = "names=crash-exp0&names=sweep-exp0&phaseNotIn=EXPERIMENT_STATE_SUCCEEDED"
    found = await api.call("GET", f"{CORE}/experiments?{failed}")
    assert [one["name"] for one in found["experiments"]] == ["crash-exp0"]


@pytest.mark.thorough
async def test_stop_keeps_and_delete_removes(api: Api) -> None:
    run_id, [stopped, deleted] = await api.submit(
        "waits", WAITS, "train.py [1,2]", sweepType="grid_search"
    )
    queued = await api.create("huge", resources={"cpu": 2})
    await api.call("PUT", queued["status"]["uploadUrl"], data=archive({"train.py": "pass"}))
    for experiment_id in (stopped, deleted):
        await api.until(experiment_id, "RUNNING")
        await api.until_captured(experiment_id, "early.txt")
    [waiting] = queued["status"]["experimentIds"]
    await api.until(waiting, "QUEUED")  # there is no room for it
    status = (await api.experiment(stopped))["status"]
    assert status["startTimestamp"] and status["finishTimestamp"] is None
    link = (await api.artifacts(deleted))["early.txt"]["url"]
    assert await api.call("GET", link) == b"kept"
    await api.call("DELETE", f"{CORE}/experiments/{deleted}", json={})
    await api.refused("GET", f"{CORE}/experiments/{deleted}", 404, 5)
    await api.refused("GET", f"{CORE}/experiments/{deleted}/artifacts", 404, 5)
    assert b"<Code>NoSuchKey</Code>" in await api.call("GET", link, status=404)
    run = await api.run(run_id)
    assert run["status"]["experimentIds"] == [stopped]
    assert run["status"]["experimentCounts"]["deleted"] == 1
    run["spec"]["desiredState"] = "RUN_STATE_CANCELED"
    answer = await api.call(
        "PUT", f"{CORE}/runs/{run_id}", json={"name": "waits", "spec": run["spec"]}
    )
    assert answer["spec"]["desiredState"] == "RUN_STATE_CANCELED"
    status = await api.done(stopped)
    assert status["phase"] == "EXPERIMENT_STATE_CANCELLED" and status["finishTimestamp"]
    assert await api.contents(stopped) == {"early.txt": b"kept"}
    assert (await api.run(run_id))["status"]["phase"] == "RUN_STATE_CANCELED"
    assert (await api.done(waiting))["phase"] == "EXPERIMENT_STATE_SUCCEEDED"
    await api.call("PUT", f"{CORE}/runs/{run_id}", json={"spec": run["spec"]})  # it is over
    await api.call("DELETE", f"{CORE}/runs/{run_id}", json={})
    await api.refused("GET", f"{CORE}/runs/{run_id}", 404, 5)
    await api.refused("DELETE", f"{CORE}/runs/{run_id}", 404, 5)
    await api.create("waits")  # its name is free
    folder = api.platform.data / "artifacts"
    left = await asyncio.to_thread(lambda: [path.name for path in (folder / "work").iterdir()])
    assert left == []


async def test_what_is_refused_and_to_whom(api: Api) -> None:
    made = await api.create("taken", "train.py [1,2]")
    for body, code, words in (
        ({"name": "taken"}, 6, "exists already"),
        ({"name": "Upper"}, 3, "cannot name a run"),
        ({"name": "-a"}, 3, "cannot name a run"),
        ({"name": "a-exp1"}, 3, "experiment"),
        ({"name": "a", "spec": {"runControllerCommand": ""}}, 3, "names no script"),
        ({"name": "a", "spec": {"runControllerCommand": "a.py '"}}, 3, "names no script"),
        ({"name": "a", "spec": {"sweepType": "bayes"}}, 3, "sweepType"),
        ({"name": "a", "spec": {"resources": {"cpu": "many"}}}, 3, "spec.resources.cpu"),
        ({"name": "a", "spec": {"relativeWorkDir": "../x"}}, 3, "relativeWorkDir"),
        ({"name": "a", "spec": {"env": {"A=B": "1"}}}, 3, "environment"),
        ({"name": "a", "spec": {"scratch": [{"mountPath": "/"}]}}, 3, "absolute path"),
        ({"name": "a", "spec": {"datastores": [{"id": "x", "mountPath": "/d"}]}}, 5, "datastore"),
        ({"name": "a", "spec": []}, 3, "must be an object"),
    ):
        full: dict[str, Any] = {"spec": {"runControllerCommand": "a.py"}, **body}
        if isinstance(full["spec"], dict):
            full["spec"].setdefault("runControllerCommand", "a.py")
        said = await api.refused(
            "POST", f"{CORE}/runs", 404 if code == 5 else 409 if code == 6 else 400, code, json=full
        )
        assert words in said, said
    await api.refused("POST", f"{CORE}/runs", 400, 3, data=b"{")
    named = await api.call("POST", f"{CORE}/runs", json={"spec": {"runControllerCommand": "a.py"}})
    assert named["name"].count("-") == 2  # a name of ours
    assert named["spec"]["datastores"] == [] and named["spec"]["image"]["dockerfile"] == ""
    assert await api.call("PATCH", f"{CORE}/runs", status=405)
    await api.refused("GET", "/v1/core/nowhere/runs", 404, 5)
    await api.refused("GET", "/v2", 404, 5)
    other = api.another(await api.platform.artifacts.add_user("ada"))
    path = f"{CORE}/runs/{made['id']}"
    assert (await other.call("GET", path))["name"] == "taken"  # a team sees what its members do
    for method, code in (("PUT", 7), ("DELETE", 7)):
        await other.refused(method, path, 403, code, json={})
    assert (await other.call("GET", f"{CORE}/runs"))["runs"] == []
    found = await other.call("GET", f"{CORE}/runs?userIds={api.user[0]}")
    assert "taken" in [run["name"] for run in found["runs"]]
    await other.create("taken")  # names are each user's own
    await check_signing_in(api)


async def check_signing_in(api: Api) -> None:
    """See who is let in, and as whom."""
    user, key = api.user
    wrong = api.another((user, "wrong"))
    await wrong.refused("GET", "/v1/auth/user", 401, 16)
    await api.refused("POST", "/v1/auth/login", 401, 16, json={"username": user, "apiKey": None})
    body = {"username": user, "apiKey": key, "duration": "60s"}
    token = (await api.call("POST", "/v1/auth/login", json=body))["token"]
    url = api.ready["url"]
    headers = {"Authorization": f"Bearer {token}"}
    found = await api.call("GET", f"{url}/v1/auth/user", headers=headers)
    assert (found["id"], found["username"], found["apiKey"]) == (user, "user", "")
    again = await api.call("POST", f"{url}/v1/auth/refresh", headers=headers, json={})
    assert again["token"] != token
    for value in (f"Bearer {token}x", "Bearer x", "Basic !", "Digest x", ""):
        await api.call("GET", f"{url}/v1/auth/user", status=401, headers={"Authorization": value})
    body["duration"] = "0s"
    token = (await api.call("POST", "/v1/auth/login", json=body))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    await api.call("GET", f"{url}/v1/auth/user", status=401, headers=headers)
    text = await asyncio.to_thread((api.platform.data / "state.db").read_bytes)
    assert key.encode() not in text  # it is kept as a hash


def test_commands_of_a_sweep() -> None:
    found = commands("train.py  --lr '[0.1, 0.2]' --list \"['x y','z']\"", "grid_search", {})
    assert [words[1:] for words in found] == [
        ["train.py", "--lr", "0.1", "--list", "x y"],
        ["train.py", "--lr", "0.1", "--list", "z"],
        ["train.py", "--lr", "0.2", "--list", "x y"],
        ["train.py", "--lr", "0.2", "--list", "z"],
    ]
    assert commands("go.sh --a=[1,b] [x]", "grid_search", {}) == [
        ["bash", "go.sh", "--a=1", "x"],
        ["bash", "go.sh", "--a=b", "x"],
    ]
    assert commands("fit.jl [1,2]", "none", {}) == [["julia", "fit.jl", "[1,2]"]]
    assert commands("./tool [1,2]", "", {}) == [["./tool", "[1,2]"]]
    options = {"num_trials": "3", "seed": "7"}
    some = commands("a.py [1,2,3] [4,5,6]", "random_search", options)
    assert some == commands("a.py [1,2,3] [4,5,6]", "random_search", options)
    assert len({tuple(words) for words in some}) == 3
    all_ = commands("a.py [1,2,3]", "random_search", {"seed": 1})
    assert sorted(words[-1] for words in all_) == ["1", "2", "3"]
    huge = "a.py " + " ".join(["'[0,1,2,3,4,5,6,7,8,9]'"] * 30)
    assert len(commands(huge, "random_search", {"num_trials": "5"})) == 5
    drawn = commands("a.py --lr=uniform(-1,0) 'uniform(1, 2)' [7]", "random_search", options)
    assert len({tuple(words) for words in drawn}) == 3
    for _, _, rate, number, constant in drawn:
        assert -1 <= float(rate.removeprefix("--lr=")) <= 0
        assert (1 <= float(number) <= 2) and constant == "7"
    assert commands("a.py uniform(0,1)", "grid_search", {}) == [["python", "a.py", "uniform(0,1)"]]
    for draws, trials in (
        ("uniform(0,1)", {}),
        ("uniform(0,inf)", options),
        ("uniform(a,1)", options),
    ):
        with pytest.raises(SweepError, match=r"num_trials|two numbers"):
            commands(f"a.py {draws}", "random_search", trials)
    for wrong in (huge, "a.py []", "", "a.py '"):
        with pytest.raises(SweepError):
            commands(wrong, "grid_search", {})
    for options in ({"num_trials": "x"}, {"num_trials": "0"}, {"seed": "-1"}):
        with pytest.raises(SweepError):
            commands("a.py [1]", "random_search", options)
    assert parameters(["python", "a.py", "--lr", "1", "--fast", "--k=v", "x"]) == [
        ("lr", "1"),
        ("fast", ""),
        ("k", "v"),
    ]
