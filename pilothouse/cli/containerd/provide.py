"""Before an instance starts: a containerd that keeps all output, or one sentence about what the machine's own loses."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from pilothouse.cli import output
from pilothouse.cli.containerd.fetch import LATER, FetchError, fetch, lost
from pilothouse.cli.containerd.place import failed_lately, forget_failure, note_failure
from pilothouse.cli.session import run
from pilothouse.engine.node.runtime.programs import Programs, choose


def provide(folder: Path, host: str, fetch: Callable[[str, Path], Programs] = fetch) -> None:
    """Fetch a later containerd into `folder` where the machine's own loses output and none is kept there. The instance starts in any case.

    host: codename of the machine's release.
    """
    chosen = run(choose(folder))
    if chosen.keeps_output or failed_lately(folder):
        return
    what = f"fetching a later containerd from the packages of {LATER.get(host)} (43 MB, once)"
    try:
        with output.Progress().step(what) if host in LATER else nullcontext():
            fetch(host, folder)
    except FetchError as error:
        output.note(f"{lost(chosen.version, str(error))}. `ph up` tries again after a day, scripts/setup at once")
        note_failure(folder)
    else:
        forget_failure(folder)
