"""What a container left as its last words: the termination message file, or the end of its log. Blocking: called in a thread."""

import os
from dataclasses import replace
from pathlib import Path

from pilothouse.engine.node.runtime.seam import MESSAGE_FILE, MESSAGE_POLICY, Container
from pilothouse.engine.node.streams.logs import last_lines

MESSAGE_BYTES, LOG_BYTES, LOG_LINES = 4096, 2048, 80


def message(container: Container, log: Path) -> str:
    """ "" when it said nothing. The log counts only after a failure and when the container asks for it."""
    said = _file(container.annotations.get(MESSAGE_FILE, ""))
    if said or not needs_log(container, container.exit_code):
        return said
    return last_lines(log, LOG_LINES, LOG_BYTES)


def needs_log(container: Container, exit_code: int) -> bool:
    return exit_code != 0 and container.annotations.get(MESSAGE_POLICY) == "FallbackToLogsOnError"


def _file(path: str) -> str:
    """The end of it."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MESSAGE_BYTES))
            return file.read(MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        return ""


def with_message(found: Container, said: str, known: Container, *, oom: bool) -> Container:
    """The ended container with its last words, under the names by which the pod knows it."""
    if said and found.message:
        # What the runtime says of a container that it could not run.
        said = f"{found.message}: {said}"
    reason = "OOMKilled" if oom and found.exit_code else found.reason
    return replace(
        found,
        sandbox_id=known.sandbox_id,
        image=known.image or found.image,
        message=said or found.message,
        reason=reason,
    )
