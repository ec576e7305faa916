"""Drive the published commands of disks, secrets and service accounts."""

from __future__ import annotations

from .blob_commands import found
from .running import Program


class ResourceCommands(Program):
    """Each ``step_…`` is one scenario."""

    async def step_disks(self) -> None:
        """Make a disk, let a job use it, list and remove it."""
        made = await self.neuro_says(
            "disk create", "--name", "shell-disk", "--timeout-unused", "1d", "10M"
        )
        disk_id = found(r"disk-[0-9a-f-]{36}", made)
        assert disk_id in await self.neuro_says("disk ls", "--long-format")
        assert "shell-disk" in await self.neuro_says("disk get", disk_id)
        await self.neuro_says("disk create", "--name", "shell-disk", "10M", code=65)
        ran = await self.neuro_says(
            "run", "-s", "cpu-small", "-v", "disk:shell-disk:/mnt/data:rw", "ubuntu", "--",
            "sh -c 'sleep 2; echo kept > /mnt/data/note; cat /mnt/data/note; sleep 1'",
        )  # fmt: skip
        assert "kept" in ran, ran
        await self.neuro_says("disk rm", "shell-disk")
        await self.neuro_says("disk get", disk_id, code=72)

    async def step_secrets(self) -> None:
        """Keep a secret, give it to a job, list and remove it."""
        await self.neuro_says("secret add", "shell-secret", "hush")
        listed = await self.neuro_says("secret ls")
        assert "shell-secret" in listed and "hush" not in listed, listed
        ran = await self.neuro_says(
            "run", "-s", "cpu-small", "-e", "WORD=secret:shell-secret",
            "-v", "secret:shell-secret:/run/word", "ubuntu", "--",
            "sh -c 'sleep 2; test $WORD = $(cat /run/word) && echo the-same; sleep 1'",
        )  # fmt: skip
        assert "the-same" in ran, ran
        await self.neuro_says("secret rm", "shell-secret")
        await self.neuro_says("secret rm", "shell-secret", code=72)

    async def step_service_accounts(self) -> None:
        """Make an account, list and remove it."""
        made = await self.neuro_says("service-account create", "--name", "shell-account")
        account_id = found(r"service-account-[0-9a-f-]{36}", made)
        assert account_id in await self.neuro_says("service-account ls")
        assert "user/service-accounts" in await self.neuro_says(
            "service-account get", "shell-account"
        )
        await self.neuro_says("service-account rm", "shell-account")
        await self.neuro_says("service-account get", account_id, code=72)
