"""What the node remembers of static pods: as they were let in, so that they run while no API server answers; and what is wrong with files.

Blocking: called in a thread.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from pilothouse.engine.node.static.problems import PROBLEMS
from pilothouse.model.json import JSONError, Object, dumps, loads

log = structlog.get_logger("node.static")


class Kept:
    """folder: below the node's own, for root alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, uids: Iterable[str]) -> dict[str, Object]:
        """Those of these uids that have been let in; what cannot be read is let in anew."""
        found: dict[str, Object] = {}
        for uid in uids:
            try:
                pod = loads((self._folder / f"{uid}.json").read_bytes())
            except (OSError, JSONError):
                continue
            if isinstance(pod, dict) and (pod.get("metadata") or {}).get("uid") == uid:
                found[uid] = pod
        return found

    def save(self, pod: Object) -> None:
        self._write(f"{pod['metadata']['uid']}.json", dumps(pod))

    def keep_only(self, uids: Iterable[str]) -> None:
        """Forgets all others."""
        kept = {f"{uid}.json" for uid in uids} | {PROBLEMS}
        try:
            for name in os.listdir(self._folder):
                if name not in kept:
                    (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("static pods not forgotten", why=str(error))

    def say(self, problems: Mapping[str, str]) -> None:
        """For whoever asks how the node is: file -> what is wrong with it."""
        self._write(PROBLEMS, dumps(dict(problems)))

    def _write(self, name: str, data: bytes) -> None:
        draft = self._folder / f"{name}.new"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(data)
            draft.replace(self._folder / name)
        except OSError as error:
            log.warning("static pods not written", file=name, why=str(error))
