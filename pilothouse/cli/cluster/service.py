"""Keeps the instance's processes running: as systemd units where systemd runs, elsewhere each under a small shell supervisor.

Whatever state they are in, they can be ended: politely, and after a while by SIGKILL, which a process that is stopped or spins does
not escape.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import click

from pilothouse.aio.identity import Identity, is_held
from pilothouse.cli.cluster.draining import MACHINE_S, MORE_S
from pilothouse.cli.cluster.environment import environment_file
from pilothouse.cli.daemon.roles import CONTROL, DEADLINE_S, FURTHER, NODE, Role, roles_of
from pilothouse.cli.daemon.state import note_pid, running_pid
from pilothouse.cli.settings.home import Home

UNITS = Path("/etc/systemd/system")
GRACE_S = DEADLINE_S + 2.0
"""After SIGTERM: a process ends itself within DEADLINE_S unless it cannot even notice."""
KILL_S = 10.0
POLL_S = 0.02


def has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def unit_name(home: Home, role: Role) -> str:
    return f"pilothouse-{home.instance}-{role.name}.service"


def unit_text(home: Home, role: Role, python: str) -> str:
    """KillMode: containerd and the containers live on; 78 means that trying again is no use.

    The node comes after the control plane, so that it is stopped before: it tells the API how its pods have ended.
    """
    log, variables = (str(path).replace("%", "%%") for path in (role.log(home), home.environment))
    # The runtime asks systemd over D-Bus for the cgroups of containers, also for those that it removes when the machine stops.
    after, leaving, stop_s = "network.target dbus.service", "", GRACE_S
    if role.name == NODE.name:
        instance = Home(home.path.parents[1]) if role is FURTHER else home
        after, leaving = f"{after} {unit_name(instance, CONTROL)}", _leaving(home, python)
        stop_s += MACHINE_S + MORE_S
    return f"""[Unit]
Description=Pilothouse {role.title} at {home.path}
After={after}
StartLimitIntervalSec=0

[Service]
ExecStart={_quoted(python)} -m {role.module} {_quoted(str(home.path))}
{leaving}EnvironmentFile=-{variables}
WorkingDirectory=/
StandardOutput=append:{log}
StandardError=append:{log}
KillMode=process
TimeoutStopSec={stop_s:g}
Delegate=yes
Restart=on-failure
RestartPreventExitStatus=78
RestartSec=1
OOMScoreAdjust=-900
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def _leaving(home: Home, python: str) -> str:
    """Ends the pods before the node is stopped, if that is because the whole machine shuts down; `ph down` leaves them running."""
    script = 'test "$(systemctl is-system-running)" != stopping || exec "$0" -m pilothouse.cli.cluster.draining "$1"'
    return f"ExecStop=-/bin/sh -c {_quoted(script)} {_quoted(python)} {_quoted(str(home.path))}\n"


def _quoted(word: str) -> str:
    """As one word of a command line in a unit (systemd.service(5), systemd.unit(5): `%` begins a specifier, `$` a variable)."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'


def start(home: Home) -> None:
    """Start what does not run, so that it outlives this command and is started again when it crashes."""
    home.log.mkdir(parents=True, exist_ok=True)
    home.run.mkdir(parents=True, exist_ok=True)
    for role in roles_of(home):
        if is_running(home, role):
            continue
        role.state(home).unlink(missing_ok=True)
        _keep_private(role.log(home), 0o640)
        if has_systemd():
            _start_unit(home, role)
        else:
            _supervise(home, role)


def _keep_private(file: Path, mode: int) -> None:
    """Before anybody writes to it: a log names what is in every namespace, and variables have passwords."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode))
    file.chmod(mode)


def _start_unit(home: Home, role: Role) -> None:
    _keep_private(home.environment, 0o600)
    home.environment.write_text(environment_file(os.environ))
    (UNITS / unit_name(home, role)).write_text(unit_text(home, role, sys.executable))
    _systemctl("daemon-reload")
    _systemctl("enable", "--quiet", "--now", unit_name(home, role))


def _supervise(home: Home, role: Role) -> None:
    script = home.run / "supervise.sh"
    # Replaced, not overwritten: the other role's shell may be about to read it.
    draft = home.run / f"{role.name}-supervise.new"
    draft.write_text(resources.files("pilothouse.cli").joinpath("supervise.sh").read_text())
    draft.replace(script)
    files = [str(script), str(role.log(home)), str(role.state(home)), str(role.worked(home))]
    process = subprocess.Popen(
        ["/bin/sh", *files, sys.executable, "-m", role.module, str(home.path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    note_pid(role.supervisor_pid(home), process.pid)


def any_running(home: Home) -> bool:
    return any(is_running(home, role) for role in roles_of(home))


def is_running(home: Home, role: Role) -> bool:
    """Whether the process runs, or is about to be started again."""
    if running_pid(role.pid(home)) is not None or running_pid(role.supervisor_pid(home)) is not None:
        return True
    return _has_unit(home, role) and _is_active(home, role)


def _has_unit(home: Home, role: Role) -> bool:
    return (UNITS / unit_name(home, role)).exists() and has_systemd()


def _is_active(home: Home, role: Role) -> bool:
    return subprocess.run(["systemctl", "is-active", "--quiet", unit_name(home, role)], check=False).returncode == 0


def stop(home: Home) -> list[Role]:
    """End all processes, whatever state they are in; returns those that had to be killed. Raises ClickException."""
    ending = [(role, identity) for role in roles_of(home) for identity in _ask_to_end(home, role)]
    _wait_gone([identity for _, identity in ending], GRACE_S)
    killed = [(role, identity) for role, identity in ending if identity.alive()]
    for _, identity in killed:
        identity.signal(signal.SIGKILL)
    stuck = _wait_gone([identity for _, identity in killed], KILL_S)
    if stuck:
        raise click.ClickException(
            f"process {stuck[0].pid} does not end, not even when it is killed: the kernel holds it (see /proc/{stuck[0].pid}/stack)"
        )
    for role in roles_of(home):
        role.pid(home).unlink(missing_ok=True)
        role.supervisor_pid(home).unlink(missing_ok=True)
    return list(dict.fromkeys(role for role, _ in killed))


def _ask_to_end(home: Home, role: Role) -> list[Identity]:
    """SIGTERM to what runs of a role; nothing of it is started again."""
    if _has_unit(home, role):
        _systemctl("disable", "--quiet", "--now", unit_name(home, role))
    found = {*_stop_supervisor(home, role)}
    noted = Identity.load(role.pid(home))
    if noted is not None and noted.alive():
        found.add(noted)
    for identity in found:
        identity.signal(signal.SIGTERM)
        identity.signal(signal.SIGCONT)
    return list(found)


def _stop_supervisor(home: Home, role: Role) -> list[Identity]:
    """End the supervisor first, so that nothing is started again; returns what it was running (which may have no pid file yet)."""
    supervisor = Identity.load(role.supervisor_pid(home))
    if supervisor is None or not supervisor.alive():
        return []
    hold(supervisor)
    found = _children(supervisor.pid)
    supervisor.signal(signal.SIGKILL)
    return found


def hold(process: Identity) -> None:
    """Returns once the process can start nothing more: a stop signal is taken only after a fork that is on its way."""
    process.signal(signal.SIGSTOP)
    end = time.monotonic() + GRACE_S
    while process.alive() and not is_held(process.pid) and time.monotonic() < end:
        time.sleep(POLL_S / 10)


def _children(pid: int) -> list[Identity]:
    try:
        return [Identity.of(int(child)) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _wait_gone(identities: list[Identity], deadline_s: float) -> list[Identity]:
    """Those that are still there at the deadline."""
    end = time.monotonic() + deadline_s
    left = [identity for identity in identities if identity.alive()]
    while left and time.monotonic() < end:
        time.sleep(POLL_S)
        left = [identity for identity in left if identity.alive()]
    return left


def forget(home: Home) -> None:
    """Remove the units."""
    units = [UNITS / unit_name(home, role) for role in roles_of(home) if (UNITS / unit_name(home, role)).exists()]
    for unit in units:
        unit.unlink()
    if units and has_systemd():
        _systemctl("daemon-reload")


def _systemctl(*args: str) -> None:
    done = subprocess.run(["systemctl", *args], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise click.ClickException(f"systemctl {' '.join(args)} failed: {done.stderr.strip()}")
