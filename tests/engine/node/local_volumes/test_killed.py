"""An agent that is killed at any step of a copy leaves nothing frozen, nothing half-made and nothing lost."""

import signal
import subprocess
import sys

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import loops
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from tests.engine.node.local_volumes.conftest import MIB, NAMES, SNAPSHOT, needs_loops, removed
from tests.engine.node.local_volumes.test_snapshots import is_frozen, made, taken

pytestmark = needs_loops
FIRST, SECOND, _ = NAMES
COPY = [
    "copying.copy",
    "+copying.copy",
    "copying.mend",
    "+copying.mend",
    "freezing._keeper",
    "+freezing._keeper",
    "freezing._end",
    "+freezing._end",
]
STEPS = {
    "make": ["image.make", "+image.make", "image.keep", "+image.keep", "image.attach", "layout.note_size", "layout.data_of"],
    "clone": [*COPY, "image.keep", "+image.keep", "image.grow_mounted", "image.grow_idle", "+image.grow_idle"],
    "restore": ["copying.copy", "+copying.copy", "image.keep", "+image.keep", "image.grow_idle", "layout.note_size"],
    "snapshot": [*COPY, "image.keep", "+image.keep"],
}


@pytest.mark.parametrize(("what", "step"), [(what, step) for what, steps in STEPS.items() for step in steps])
async def test_what_is_begun_again_after_a_kill_is_done(
    local: LocalVolumes, snapshots: LocalSnapshots, config: NodeConfig, what: str, step: str
) -> None:
    first = await made(local, FIRST)
    (first.path / "file").write_bytes(b"kept" * 4096)
    if what == "restore":
        await taken(snapshots)
    words = [sys.executable, "-m", "tests.engine.node.local_volumes.killed", str(config.home), what, step]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL

    again = LocalVolumes(config)
    await again.recover()
    assert not is_frozen(first.path)
    assert not list(local.folder.glob("*/*.new"))
    assert (first.path / "file").read_bytes() == b"kept" * 4096
    retaken = LocalSnapshots(again)
    if what == "snapshot":
        await taken(retaken)
    source = {"make": "", "clone": FIRST, "restore": SNAPSHOT, "snapshot": SNAPSHOT}[what]
    second = await made(again, SECOND, 32 * MIB, source=source)
    assert second.size_bytes == 32 * MIB
    if source:
        assert (second.path / "file").read_bytes() == b"kept" * 4096
    await retaken.remove(SNAPSHOT)
    for name in (FIRST, SECOND):
        await removed(again, name)
    assert list(local.folder.iterdir()) == []
    assert not loops.devices(local.folder / FIRST / "image")
