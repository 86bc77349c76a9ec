"""Transactions of the archive, carried out in a server by the programs that its flavour has for it."""

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pilothouse.platform.databases.inside import tools
from pilothouse.platform.databases.inside.archive.segment import Section, log
from pilothouse.platform.databases.inside.outcome import Failure
from pilothouse.platform.databases.inside.scratch import Scratch


def replay(server: Scratch, sections: Iterable[Section]) -> tuple[int, str]:
    """How many there were, and the last one ("" when there were none). Raises Failure at the first that fails.

    Each keeps its own number. One client for all: what a session is told counts for what comes behind.
    """
    count, last = 0, ""
    argv = [*tools.of_image().client, f"--socket={server.socket}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stderr is not None
        try:
            for format_event, groups in sections:
                if groups:
                    _give(client, log(format_event, groups))
                    count, last = count + len(groups), groups[-1].gtid
            client.stdin.close()
        except BrokenPipeError:
            pass
        said = client.stderr.read().decode(errors="replace").strip()
    if client.returncode:
        raise Failure("ReplayFailed", f"the archived log can't be replayed: {said[-500:]}", final=True)
    return count, last


def _give(client: "subprocess.Popen[bytes]", binary_log: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(binary_log)
        argv = [*tools.of_image().log, file.name]
        ended = subprocess.run(argv, stdout=client.stdin, stderr=subprocess.PIPE, check=False)
    if ended.returncode:
        client.kill()
        said = ended.stderr.decode(errors="replace").strip()[-300:]
        raise Failure("Corrupted", f"a segment of the archive can't be read: {said}", final=True)
