"""Packages of another distribution: where they come from, and by which key they are believed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pilothouse.oci.packages.archives import UBUNTU, archive_of, signed
from pilothouse.oci.packages.bootstrap import rootfs_of
from pilothouse.oci.packages.recipe import Recipe
from pilothouse.oci.packages.release import suite

FINGERPRINT = "F6ECB3762474EDA9D21B7022871920D1991BC93C"
STAND_IN = """#!/bin/sh
for word; do case "$word" in *sources.list) cp "$word" {seen} ;; esac; done
echo "$@" >{seen}.words
exit 1
"""


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_the_key_is_the_one_that_ubuntu_signs_its_archive_with(tmp_path: Path) -> None:
    argv = ["gpg", "--homedir", str(tmp_path), "--show-keys", "--with-colons"]
    lines = subprocess.run(argv, input=UBUNTU.key_text().encode(), check=True, capture_output=True).stdout.decode().splitlines()
    assert [line.partition(":")[0] for line in lines].count("pub") == 1
    assert lines[1].split(":")[9] == FINGERPRINT


def test_security_and_updates_belong_to_a_release() -> None:
    found = signed(list(UBUNTU.lines("noble")), "/key.asc")
    assert [line.split()[3:] for line in found] == [[each, "main", "universe"] for each in ("noble", "noble-updates", "noble-security")]
    assert all(line.startswith("deb [signed-by=/key.asc] http://") for line in found)


def test_a_release_of_the_machines_own_distribution_has_no_archive_elsewhere() -> None:
    assert archive_of("bookworm") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: images are made with mounts of their own")
@pytest.mark.skipif(suite() == "noble", reason="this machine has these packages itself")
async def test_an_image_of_another_distribution_is_made_of_its_archive_and_believes_its_key_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, seen = tmp_path / "bin/mmdebstrap", tmp_path / "seen"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(seen=seen))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(Exception, match="the packages of noble cannot be installed"):
        async with rootfs_of(Recipe(("x",)), "noble", tmp_path / "scratch"):
            raise AssertionError("the stand-in makes nothing")
    lines = seen.read_text().splitlines()
    assert len(lines) == 3
    assert all("[signed-by=" in line and "ubuntu.asc]" in line for line in lines)
    assert "merged-usr" not in Path(f"{seen}.words").read_text()
