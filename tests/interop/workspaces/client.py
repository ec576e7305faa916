"""Every call of the published client that has to do with tasks; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import json
import sys
import tempfile
import time
import traceback
import urllib.request
import zipfile
from pathlib import Path

import resontech
from resontech import (
    FederationConfig,
    Job,
    JobSubmitRequest,
    ModelConfig,
    ResonTech,
    ResonTechConfig,
    RTJobBuilder,
    TrainingConfig,
    WorkspacePaths,
)

PATIENCE = 60.0
STARTED = 1.0
MODEL = """
import json, pathlib

class Net:
    def __init__(self, start=0.0):
        self.weights = {"layer": [start]}

def fl_train(model, env, output_dir, logger=None):
    shard = json.loads(pathlib.Path("/app/payload/data.json").read_text())
    pathlib.Path(output_dir, "env.json").write_text(json.dumps(env))
    if env.get("fails"):
        raise ValueError("told to fail")
    return {"weights": {"layer": [model.weights["layer"][0] + shard["add"]]}, "samples": 1}
"""
PARTS = {
    "ResonTech": ResonTech,
    "Storage": "storage",
    "Jobs": "jobs",
    "Dashboard": "dashboard",
    "Inference": "inference",
    "JobSubmitRequest": JobSubmitRequest,
    "RTJobBuilder": RTJobBuilder,
    "WorkspacePaths": WorkspacePaths,
}


class Recorded:
    """Pass calls on to one part of the client, and note which."""

    def __init__(self, part, name, used):
        self._part, self._name, self._used = part, name, used

    def __getattr__(self, member):
        self._used.add(f"{self._name}.{member}")
        return getattr(self._part, member)


def own_members(cls):
    fields = (
        {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else ()
    )
    return {
        name
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_")
        and name not in fields
        and (inspect.isfunction(member) or isinstance(member, property))
    }


@contextlib.contextmanager
def refused(name):
    """Check that a call fails with an exception of the client's."""
    try:
        yield
    except Exception as error:
        assert type(error).__name__ == name, f"{type(error).__name__}: {error}"
        return
    raise AssertionError(f"no {name}")


class Scenario:
    """Hold the client; every method named ``step_…`` is one step."""

    def __init__(self, given, folder):
        self.given, self.folder = given, folder
        self.prefix = given["prefix"]
        self.used, self.members = set(), set()
        self.plain = ResonTech(self.config())
        self.client = Recorded(self.plain, "ResonTech", self.used)
        if hasattr(self.plain, "login"):
            user = self.client.login()
            assert (user.email, user.access_approved) == (given["email"], True)
            assert self.client.user.email == given["email"]
        for name, part in PARTS.items():
            if isinstance(part, str):
                if not hasattr(self.plain, part):
                    continue
                part = getattr(self.client, part)
                setattr(self, name.lower(), Recorded(part, name, self.used))
                part = type(part)
            self.members |= {f"{name}.{member}" for member in own_members(part)}

    def config(self, **more):
        given = {
            "base_url": self.given["url"],
            "s3_endpoint": self.given["s3_url"],
            "s3_region": self.given["s3_region"],
            "s3_access_key_id": self.given["access_key_id"],
            "s3_secret_access_key": self.given["secret_access_key"],
            "dashboard_url": self.given["url"],
        }
        known = inspect.signature(ResonTechConfig).parameters
        if "email" in known:
            given |= {"email": self.given["email"], "password": self.given["password"]}
        else:
            given["platform_api_key"] = self.given["api_key"]
        return ResonTechConfig(**given | more)

    def model(self):
        """Return a class of a module that is a file, as the client wants it."""
        name = f"net_{self.prefix}"
        (self.folder / f"{name}.py").write_text(MODEL)
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        return importlib.import_module(name).Net

    def shards(self, *added):
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for number, add in enumerate(added):
            with zipfile.ZipFile(folder / f"shard_{number}.zip", "w") as file:
                file.writestr("data.json", json.dumps({"add": add}))
        return str(folder)

    def until(self, job_id):
        """Wait for the end as the dashboard tells it: the client does not know cancelled ones."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.dashboard.get_job(job_id)
            if found["state"] in ("FINISHED", "FAILED", "CANCELLED"):
                return found
            time.sleep(0.1)
        raise AssertionError(found)

    def selection(self):
        """Return how a version lets the platform choose the workers."""
        if "auto_select_workers" in inspect.signature(ResonTech.rt_submit).parameters:
            return {"auto_select_workers": True}
        return {"gpu_models": ["rtx_4090", "cpu"], "max_price_per_gpu_hour": 3.0}

    def submit(self, name, **more):
        given = {
            "model": self.model(),
            "name": f"{self.prefix} {name}",
            "federation": FederationConfig(num_rounds=2, min_clients=1),
            "model_config": ModelConfig(model_class="Net", model_args={"start": STARTED}),
            **self.selection(),
        }
        return self.client.rt_submit(**given | more)

    def step_1_submit(self):
        shards = self.shards(1.0, 3.0)
        job = self.submit(
            "Run 1",
            shards_dir=shards,
            training=TrainingConfig(local_epochs=2, batch_size=8, extra={"flavour": "mild"}),
            estimated_memory_mb=100,
        )
        assert isinstance(job, Job) and job.name == f"{self.prefix} Run 1"
        assert job.dashboard_url == f"{self.given['url']}/dashboard/jobs/{job.id}"
        self.job, self.root = job, f"jobs/{self.prefix}-run-1/"
        found = self.until(job.id)
        assert found["state"] == "FINISHED", found
        keys = self.storage.list(self.root)
        assert self.root + "files_out/training_log.txt" in keys, keys
        assert json.loads(self.read(self.root + "model_out/checkpoint.json")) == {"layer": [5.0]}
        env = json.loads(self.read(self.root + "files_out/worker-0/env.json"))
        assert (env["EPOCHS"], env["BATCH_SIZE"], env["flavour"]) == (2, 8, "mild"), env
        # The same again: nothing of the shards is sent.
        again = self.submit("Run 1", shards_dir=shards)
        assert again.id != job.id
        assert self.until(again.id)["state"] == "FINISHED"

    def read(self, key):
        with urllib.request.urlopen(self.storage.presign_get(key)) as answer:
            return answer.read()

    def step_2_checkpoint_in_parts(self):
        checkpoint = self.folder / f"{self.prefix}.bin"
        checkpoint.write_bytes(bytes(11 * 2**20))
        requirements = self.folder / "requirements.txt"
        requirements.write_text("nothing\n")
        job = self.submit(
            "Warm",
            shards_dir=self.shards(1.0),
            model_checkpoint=str(checkpoint),
            requirements_txt=str(requirements),
        )
        assert self.until(job.id)["state"] == "FINISHED"
        head = self.storage.head(f"jobs/{self.prefix}-warm/model/{checkpoint.name}")
        assert head["ContentLength"] == 11 * 2**20

    def step_3_read_jobs(self):
        found = self.jobs.get(self.job.id)
        assert (found.id, found.name, found.state.value) == (self.job.id, self.job.name, "FINISHED")
        assert [one.id for one in self.jobs.list(limit=1, offset=0)] != []
        assert self.job.id in [one.id for one in self.jobs.list()]
        assert self.job.id in [one["jobId"] for one in self.dashboard.list_jobs(limit=50)]
        listed = self.dashboard.list_nvflare_jobs(self.job.id, detailed=True)["jobs"]
        assert [one["job_id"] for one in listed] == [self.job.id]
        progress = self.dashboard.training_progress(self.job.id, self.job.id)
        assert (progress.current_round, progress.num_rounds) == (2, 2)
        stats = self.dashboard.worker_stats()
        assert stats.online_count == len(stats.workers) > 0
        assert stats.workers[0].free_memory_mb > 0
        with refused("NotFoundError"):
            self.jobs.get("00000000-0000-4000-8000-000000000000")

    def step_4_submit_what_is_there(self):
        root = "/" + self.root.rstrip("/")
        folders = ("scripts", "configs", "requirements", "shards")
        paths = WorkspacePaths(root, *(f"{root}/{name}" for name in folders))
        paths = Recorded(paths, "WorkspacePaths", self.used)
        more = self.selection()
        if "max_price_per_gpu_hour" in more:
            more["max_price_per_gpu_hour_cents"] = int(100 * more.pop("max_price_per_gpu_hour"))
        request = paths.to_submit_request(f"{self.prefix} again", estimated_memory_mb=1, **more)
        assert Recorded(request, "JobSubmitRequest", self.used).to_api_body()["name"]
        job = self.jobs.submit(request)
        assert self.until(job.id)["state"] == "FINISHED"
        wrong = dataclasses.replace(request, shards_dir_path=f"{root}/nothing")
        with refused("ValidationError"):
            self.jobs.submit(wrong)
        with refused("ValidationError"):
            self.jobs.submit(dataclasses.replace(request, worker_ids=["one"]))

    def step_5_a_task_that_fails(self):
        training = TrainingConfig(extra={"fails": True})
        job = self.submit("Fails", shards_dir=self.shards(1.0), training=training)
        found = self.until(job.id)
        assert (found["state"], "told to fail" in found["reason"]) == ("FAILED", True), found
        assert self.jobs.get(job.id).state.value == "FAILED"

    def step_6_storage(self):
        storage, key = self.storage, f"notes/{self.prefix} é+%&.txt"
        storage.put_bytes(key, b"hello", content_type="text/plain")
        assert storage.head(key)["ContentLength"] == 5
        assert storage.list("notes/") == [key]
        assert self.read(key) == b"hello"
        file = self.folder / "file.bin"
        file.write_bytes(bytes(3 * 2**20))
        storage.upload_file(str(file), "notes/file.bin", show_progress=False)
        assert storage.head("notes/file.bin")["ContentLength"] == 3 * 2**20
        for one in (key, "notes/file.bin", "notes/never"):
            storage.delete(one)
        assert storage.head(key) is None and storage.list("notes/") == []
        begun = storage.boto3.create_multipart_upload(Bucket=storage.bucket, Key="notes/parts")
        [listed] = storage.list_multipart_uploads("notes/")
        assert listed["UploadId"] == begun["UploadId"]
        assert storage.abort_multipart_uploads("notes/") == 1
        assert storage.list_multipart_uploads() == []
        storage.set_bucket(self.given["bucket"])
        assert storage.bucket == self.given["bucket"]

    def step_7_rendered_files(self):
        model = ModelConfig(model_class="Net")
        builder = Recorded(RTJobBuilder(model_config=model), "RTJobBuilder", self.used)
        configs = "".join(builder.render_configs().values())
        assert "fl_train" in configs and "num_rounds" in configs
        scripts = "".join(builder.render_scripts(self.model()).values())
        assert "def fl_train" in scripts

    def step_8_wrong_credentials(self):
        wrong = ResonTech(self.config(s3_secret_access_key="0" * 64))
        with contextlib.suppress(AttributeError):
            wrong.login()
        with refused("StorageError"):
            wrong.storage.put_bytes("notes/x", b"x")
        wrong.close()
        fields = {"password": "wrong"} if hasattr(self.plain, "login") else None
        other = ResonTech(self.config(**fields or {"platform_api_key": "rsk_dev_0"}))
        with refused("AuthError"):
            (other.login if fields else other.jobs.list)()
        other.close()

    def step_9_quota(self):
        with refused("StorageError"):
            self.storage.put_bytes("notes/large", bytes(self.given["quota"] + 1))

    def step_99_close(self):
        self.client.close()


def main():
    given = json.load(sys.stdin)
    report = {"steps": [], "failed": {}}
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(sys.stderr):
        scenario = Scenario(given, Path(place))
        names = [name for name in dir(scenario) if name.startswith("step_")]
        for name in sorted(names, key=lambda name: int(name.split("_")[1])):
            report["steps"].append(name)
            try:
                getattr(scenario, name)()
            except Exception:
                report["failed"][name] = traceback.format_exc()
    report |= {"members": sorted(scenario.members), "used": sorted(scenario.used)}
    report["version"] = resontech.__version__
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
