"""The agent's start and end."""

import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pilothouse.platform.databases.inside.agent import dialects
from pilothouse.platform.databases.inside.agent.https.api import Api
from pilothouse.platform.databases.inside.agent.https.handler import bound
from pilothouse.platform.databases.inside.agent.https.server import Server
from pilothouse.platform.databases.inside.agent.https.tls import Tls
from pilothouse.platform.databases.inside.agent.loop import Loop
from pilothouse.platform.databases.inside.agent.program import Program
from pilothouse.platform.databases.inside.agent.settings import Settings


def run(environ: Mapping[str, str], arguments: Sequence[str]) -> int:
    settings = Settings.of(environ)
    if settings.flavour not in dialects.DIALECTS:
        sys.stderr.write(f"the agent cannot run servers of the flavour {settings.flavour}, only {', '.join(dialects.DIALECTS)}\n")
        return 2
    program = Program(Path(sys.path[0]))
    loop = Loop(settings, program)
    server = Server((settings.address, settings.port), bound(Api(settings, loop).routes()), Tls(settings.tls))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.leave())
    if not loop.run(threading.Thread(target=server.serve_forever, daemon=True).start):
        sys.stderr.write("the agent's program was replaced: it starts anew\n")
        program.start_anew()
    return 0
