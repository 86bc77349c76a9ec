"""The files by which a container runtime finds this network: the plug-in scripts and the network's configuration.

The script costs a pod two short processes; everything else happens in ours. The runtime also calls a `loopback` plug-in for each
pod. Ours says that the interface is there, since ADD brings it up anyway.
"""

import os
from pathlib import Path

from pilothouse.model.json import dumps
from pilothouse.network.pod.cni import HEADER, TRY_AGAIN, VERSIONS

NAME = "pilothouse"
CONFLIST = "10-pilothouse.conflist"

_PLUGIN = """#!/bin/sh
# Hands a CNI request to Pilothouse: the variables a line each, then standard input. The answer is the exit status, a space, the output.
answer=$({{ printf '%s\\n' {variables}; cat; }} | socat -t60 - 'UNIX-CONNECT:{socket}' 2>/dev/null)
case $answer in
  "0 "* | "1 "*) printf '%s' "${{answer#??}}"; exit "${{answer%"${{answer#?}}"}}" ;;
esac
echo '{unreachable}'
exit 1
"""

_LOOPBACK = """#!/bin/sh
# The pod network brings the loopback interface up together with the others.
case $CNI_COMMAND in
  VERSION) echo '{versions}' ;;
  ADD) echo '{{"cniVersion":"0.3.1","interfaces":[{{"name":"lo","mac":"00:00:00:00:00:00","sandbox":"'"$CNI_NETNS"'"}}]}}' ;;
esac
"""


def plugin_script(socket: Path) -> str:
    unreachable = {
        "cniVersion": "1.0.0",
        "code": TRY_AGAIN,
        "msg": "pilothouse is not running: its network socket does not answer",
        "details": str(socket),
    }
    variables = " ".join(f'"${name}"' for name in HEADER)
    return _PLUGIN.format(variables=variables, socket=socket, unreachable=dumps(unreachable).decode().replace("'", ""))


def loopback_script() -> str:
    return _LOOPBACK.format(versions=dumps({"cniVersion": "1.0.0", "supportedVersions": list(VERSIONS)}).decode())


def conflist() -> bytes:
    plugin = {"type": NAME, "capabilities": {"portMappings": True}}
    return dumps({"cniVersion": "1.0.0", "name": NAME, "plugins": [plugin]})


def install(conf_dir: Path, bin_dir: Path, socket: Path) -> None:
    """Write what has changed, each file in one step: the runtime may look at any moment."""
    _write(bin_dir / NAME, plugin_script(socket).encode(), 0o755)
    _write(bin_dir / "loopback", loopback_script().encode(), 0o755)
    _write(conf_dir / CONFLIST, conflist(), 0o644)


def uninstall(conf_dir: Path, bin_dir: Path) -> None:
    for path in (conf_dir / CONFLIST, bin_dir / NAME, bin_dir / "loopback"):
        path.unlink(missing_ok=True)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_bytes() == content:
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    os.chmod(fresh, mode)
    fresh.rename(path)
