import subprocess
from importlib import resources

import pytest

from pilothouse.platform.builds import stand_ins
from pilothouse.platform.builds.stand_ins.bootstrap import reason

FULL = """\
I: installing remaining packages inside the chroot...
dpkg: error processing archive /tmp/x.deb (--unpack):
 cannot copy extracted data for './usr/bin/x' to '/usr/bin/x.dpkg-new': failed to write (No space left on device)
E: Sub-process /usr/bin/dpkg returned an error code (1)
E: run_chroot failed: E: apt-get failed
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
        ("", "mmdebstrap gave no reason"),
    ],
)
def test_the_cause_of_a_failed_bootstrap_is_one_sentence(said: str, start: str) -> None:
    assert reason(said).startswith(start)
    assert "\n" not in reason(said)


def test_the_scripts_of_stand_ins_are_valid_for_their_shells() -> None:
    folder = resources.files(stand_ins).joinpath("files")
    for script in (entry for entry in folder.iterdir() if entry.name.endswith(".sh")):
        shell = script.read_text().partition("\n")[0].removeprefix("#!/bin/")
        subprocess.run([shell, "-n"], input=script.read_bytes(), check=True)
