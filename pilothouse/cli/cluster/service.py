"""Keeps the daemon running: as a systemd unit where systemd runs, elsewhere under a small shell supervisor."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from importlib import resources
from pathlib import Path

import click

from pilothouse.cli.daemon.state import note_pid, running_pid
from pilothouse.cli.settings.home import Home

UNITS = Path("/etc/systemd/system")


def has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def unit_name(home: Home) -> str:
    return f"pilothouse-{home.instance}.service"


def unit_text(home: Home, python: str) -> str:
    """KillMode: containerd and the containers live on; 78 means that trying again is no use."""
    return f"""[Unit]
Description=Pilothouse at {home.path}
After=network.target

[Service]
ExecStart={python} -m pilothouse.cli.daemon.main {home.path}
WorkingDirectory=/
StandardOutput=append:{home.daemon_log}
StandardError=append:{home.daemon_log}
KillMode=process
Delegate=yes
Restart=on-failure
RestartPreventExitStatus=78
RestartSec=1
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def start(home: Home) -> None:
    """Start the daemon so that it outlives this command and is started again when it crashes."""
    home.log.mkdir(parents=True, exist_ok=True)
    home.run.mkdir(parents=True, exist_ok=True)
    (home.run / "state.json").unlink(missing_ok=True)
    if has_systemd():
        (UNITS / unit_name(home)).write_text(unit_text(home, sys.executable))
        _systemctl("daemon-reload")
        _systemctl("enable", "--quiet", "--now", unit_name(home))
    else:
        _supervise(home)


def _supervise(home: Home) -> None:
    script = home.run / "supervise.sh"
    script.write_text(resources.files("pilothouse.cli").joinpath("supervise.sh").read_text())
    process = subprocess.Popen(
        [
            "/bin/sh",
            str(script),
            str(home.daemon_log),
            str(home.run / "state.json"),
            sys.executable,
            "-m",
            "pilothouse.cli.daemon.main",
            str(home.path),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    note_pid(_supervisor_pid(home), process.pid)


def is_running(home: Home) -> bool:
    """Whether the daemon runs, or is about to be started again."""
    if running_pid(home.daemon_pid) is not None or running_pid(_supervisor_pid(home)) is not None:
        return True
    return (UNITS / unit_name(home)).exists() and has_systemd() and _is_active(home)


def _is_active(home: Home) -> bool:
    return subprocess.run(["systemctl", "is-active", "--quiet", unit_name(home)], check=False).returncode == 0


def request_stop(home: Home) -> None:
    """Ask the daemon to end; it is over when `is_running` says so."""
    if (UNITS / unit_name(home)).exists() and has_systemd():
        _systemctl("disable", "--quiet", "--now", unit_name(home))
        return
    for pid in _stop_supervisor(home) | {running_pid(home.daemon_pid)}:
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _stop_supervisor(home: Home) -> set[int | None]:
    """End the supervisor first, so that nothing is started again; returns what it was running (a daemon may have no pid file yet)."""
    supervisor = running_pid(_supervisor_pid(home))
    if supervisor is None:
        return set()
    os.kill(supervisor, signal.SIGSTOP)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    os.kill(supervisor, signal.SIGKILL)
    return {int(pid) for pid in children}


def forget(home: Home) -> None:
    """Remove the unit."""
    if (UNITS / unit_name(home)).exists():
        (UNITS / unit_name(home)).unlink()
        if has_systemd():
            _systemctl("daemon-reload")


def _supervisor_pid(home: Home) -> Path:
    return home.run / "supervisor.pid"


def _systemctl(*args: str) -> None:
    done = subprocess.run(["systemctl", *args], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise click.ClickException(f"systemctl {' '.join(args)} failed: {done.stderr.strip()}")
