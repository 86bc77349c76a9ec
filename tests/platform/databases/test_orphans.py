"""A test process that is killed takes with it what it has started, in one session with it or not."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.instance import eventually

CHILD = """
import subprocess, sys, time
from pathlib import Path
from tests.platform.databases.orphans import end_with_us
folder = Path(sys.argv[1])
end_with_us(folder, is_removed=True)
command = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]
subprocess.Popen(command, env={"DATA": str(folder / "data"), "PATH": "/bin:/usr/bin"}, start_new_session=True)
time.sleep(600)
"""


def test_what_a_killed_test_process_has_started_ends_and_its_folder_goes(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    (folder / "data").mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        grandchild = Path(f"/proc/{int(killed.stdout.readline())}")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        eventually(lambda: not grandchild.exists() and not folder.exists(), 20, 0.02)
