"""python -m tests.csi_driver --root FOLDER [--kubelet FOLDER] [--name NAME] [--node-id ID] [--segment KEY=VALUE] [--without CAPABILITY]

Serves until it is told to end: the driver at FOLDER/plugins/NAME/csi.sock, its registrar at FOLDER/plugins_registry/NAME-reg.sock.
"""

import argparse
import asyncio
import signal
from dataclasses import replace
from pathlib import Path

from tests.csi_driver.driver import FolderDriver
from tests.csi_driver.options import Options
from tests.csi_driver.registrar import Registrar


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.csi_driver")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--kubelet", type=Path, default=Path("/var/lib/kubelet"))
    parser.add_argument("--name", default="folders.test")
    parser.add_argument("--node-id", default="here")
    parser.add_argument("--segment", action="append", default=[])
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--with", dest="more", action="append", default=[], help="node:NAME or controller:NAME")
    parser.add_argument("--max-volumes", type=int, default=0)
    said = parser.parse_args()
    options = Options(said.name, said.node_id, topology=dict(each.split("=", 1) for each in said.segment), max_volumes=said.max_volumes)
    for kind in ("node", "controller"):
        more = tuple(each.removeprefix(f"{kind}:") for each in said.more if each.startswith(f"{kind}:"))
        kept = tuple(each for each in (*getattr(options, kind), *more) if each not in said.without)
        options = replace(options, **{kind: kept})
    asyncio.run(serve(said.root, said.kubelet, options))


async def serve(root: Path, kubelet: Path, options: Options) -> None:
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    socket = kubelet / "plugins" / options.name / "csi.sock"
    registrar = Registrar(options.name, str(socket))
    async with FolderDriver(root, options).at(socket), registrar.at(kubelet / "plugins_registry" / f"{options.name}-reg.sock"):
        await end.wait()


main()
