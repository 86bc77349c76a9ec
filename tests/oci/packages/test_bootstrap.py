import asyncio
import os
from pathlib import Path

import pytest

from pilothouse.oci.packages.apt import reason
from pilothouse.oci.packages.bootstrap import rootfs_of
from pilothouse.oci.packages.recipe import Recipe

FULL = """\
I: installing remaining packages inside the chroot...
dpkg: error processing archive /tmp/x.deb (--unpack):
 cannot copy extracted data for './usr/bin/x' to '/usr/bin/x.dpkg-new': failed to write (No space left on device)
E: Sub-process /usr/bin/dpkg returned an error code (1)
E: run_chroot failed: E: apt-get failed
"""
JAVA = """dpkg: error processing package openjdk-17-jre-headless:amd64 (--configure):
update-alternatives: error: error creating symbolic link '/usr/share/man/man1/java.1.gz.dpkg-tmp': No such file or directory
E: setup failed: E: apt-get --yes install openjdk-17-jdk-headless failed
"""
EXPIRED = "E: Release file for http://m/InRelease is expired (invalid since 22d).\nE: failed\n"
MISSING = "Err:1 http://m/debian trixie Release\n  404  Not Found [IP: 10.0.0.1 80]\nE: apt-get update failed\n"


@pytest.mark.parametrize(
    ("said", "start"),
    [
        (FULL, "the disk is full: free some space ("),
        (EXPIRED, "the package mirror's index and this machine's clock do not agree ("),
        (MISSING, "the package mirror does not have them (404  Not Found"),
        ("W: x\nE: something else\nE: apt-get failed", "E: something else"),
        (JAVA, "dpkg: error processing package openjdk-17-jre-headless"),
        ("", "it gave no reason"),
    ],
)
def test_the_cause_of_a_failed_bootstrap_is_one_sentence(said: str, start: str) -> None:
    assert reason(said).startswith(start)
    assert "\n" not in reason(said)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts")
async def test_a_bootstrap_that_is_cancelled_leaves_neither_mounts_nor_files_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program stands in for mmdebstrap that mounts something and never ends."""
    program = tmp_path / "bin/mmdebstrap"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nmkdir {tmp_path}/m && mount -t tmpfs x {tmp_path}/m && touch {tmp_path}/mounted && sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    async def make() -> None:
        async with rootfs_of(Recipe(("x",)), "a", tmp_path / "scratch"):
            raise AssertionError("it never ends")

    task = asyncio.create_task(make())
    async with asyncio.timeout(30):
        while not (tmp_path / "mounted").exists():
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not list((tmp_path / "scratch").iterdir())
