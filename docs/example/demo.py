"""Do the product's main job on real input, from nothing: run it with ``make demo``.

Starts a local platform, logs in, uploads the handwritten digits that scikit-learn ships, trains a
classifier on them in a job, follows the job's log and telemetry, downloads the model and checks it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from yarl import URL

import neuro_client
from neuro_client.local import LocalPlatform
from neuro_client.testing.login import login

IMAGES_PER_DIGIT = 60
HERE = Path(__file__).parent


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def write_digits(folder: Path) -> int:
    """Write the data set as PGM files, a folder for each digit; return the number of files."""
    count = 0
    data = load_digits()
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for number, image in enumerate(data.images[data.target == digit][:IMAGES_PER_DIGIT]):
            rows = "\n".join(" ".join(str(int(pixel)) for pixel in row) for row in image)
            path = folder / str(digit) / f"{number:03}.pgm"
            path.write_text(f"P2\n8 8\n16\n{rows}\n")
            count += 1
    return count


def size_of(folder: Path) -> int:
    """Return the bytes of all files below ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def show_logs(client: neuro_client.Client, job_id: str) -> None:
    """Print the job's lines as they come, until it has ended."""
    async with client.jobs.logs(job_id) as lines:
        async for line in lines:
            say(f"    | {line}")


async def show_telemetry(client: neuro_client.Client, job_id: str) -> None:
    """Print what the job uses, about once a second while it runs."""
    try:
        async with client.jobs.top(job_id) as records:
            async for record in records:
                say(f"    ~ {record.cpu:.2f} CPU, {record.memory:.0f} MiB")
    except ValueError:
        say("    ~ the job ended before its first telemetry record")


async def train(client: neuro_client.Client, work: Path) -> None:
    """Upload the data, run the job, download its result and check it."""
    digits = work / "digits"
    count = write_digits(digits)
    size = size_of(digits)
    say(f"* uploading {count} files, {size / 1024:.0f} KiB")
    started = time.monotonic()
    await client.storage.upload_dir(URL(digits.as_uri()), URL("storage:digits"))
    seconds = time.monotonic() - started
    say(f"  {seconds:.2f} s, {count / seconds:.0f} files/s")
    await client.storage.mkdir(URL("storage:code"), exist_ok=True, parents=True)
    await client.storage.mkdir(URL("storage:model"), exist_ok=True, parents=True)
    await client.storage.upload_file(
        URL((HERE / "train.py").as_uri()), URL("storage:code/train.py")
    )

    job = await client.jobs.start(
        image=client.parse.remote_image("python:3.11"),
        preset_name="cpu-large",
        name="train-digits",
        volumes=[
            client.parse.volume("storage:digits:/data:ro"),
            client.parse.volume("storage:code:/code:ro"),
            client.parse.volume("storage:model:/model:rw"),
        ],
        command="python /code/train.py --data /data --out /model",
    )
    say(f"* started {job.id} ({job.name})")
    async with asyncio.TaskGroup() as group:
        group.create_task(show_logs(client, job.id))
        group.create_task(show_telemetry(client, job.id))
    job = await client.jobs.wait(job.id)
    say(f"  {job.status} after {job.history.run_time_seconds:.1f} s")

    result = work / "model"
    started = time.monotonic()
    await client.storage.download_dir(URL("storage:model"), URL(result.as_uri()))
    say(f"* downloaded {size_of(result) / 1024:.0f} KiB in {time.monotonic() - started:.2f} s")
    check(result)


def check(result: Path) -> None:
    """Compare the downloaded model with its metrics and use it once."""
    metrics = json.loads((result / "metrics.json").read_text())
    model = (result / "model.joblib").read_bytes()
    if hashlib.sha256(model).hexdigest() != metrics["model_sha256"]:
        sys.exit("the model is not the one that the job wrote")
    if metrics["accuracy"] < 0.9:
        sys.exit(f"the model is right in {metrics['accuracy']:.0%} of the cases only")
    data = load_digits()
    last = data.images[-1].reshape(1, -1) / 16
    seen = joblib.load(result / "model.joblib").predict(last)[0]
    say(
        f"* checked: sha256 matches, accuracy {metrics['accuracy']:.1%} on unseen images; "
        f"a {data.target[-1]} it has never seen is read as {seen}"
    )


async def main() -> None:
    """Run the whole flow in a folder of its own and account for it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="neuro-client-demo-") as name:
        work = Path(name)
        async with LocalPlatform(data=work / "platform", port=0) as platform:
            say(f"* local platform at {platform.ready['api_url']}")
            await login(platform, work / "config")
            async with neuro_client.get(path=work / "config") as client:
                say(f"* logged in as {client.username}, cluster {client.cluster_name}")
                await train(client, work)
    say(f"* done in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
