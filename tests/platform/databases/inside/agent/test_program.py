"""When an agent takes another program."""

import io
import time
import zipfile
from pathlib import Path

from pilothouse.platform.databases.bundle import bundle
from pilothouse.platform.databases.inside.agent.program import Program

MAIN = "pilothouse/platform/databases/inside/agent/main.py"


def later(added: str) -> bytes:
    """The program with something added to its start."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle())) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (added.encode() if name == MAIN else b""))
    return out.getvalue()


def is_taken(program: Program, within_s: float = 20.0) -> bool:
    """Asked as the agent's loop does, until something is decided."""
    end = time.monotonic() + within_s
    taken = program.is_replaced()
    while not taken and program._trial is not None and time.monotonic() < end:
        time.sleep(0.02)
        taken = program.is_replaced()
    return taken


def test_a_later_program_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "agent.pyz"
    file.write_bytes(bundle())
    program = Program(file)
    assert not is_taken(program)
    file.write_bytes(later("# Of a later version.\n"))
    assert is_taken(program)


def test_a_program_that_cannot_be_loaded_is_left_and_the_next_one_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "agent.pyz"
    file.write_bytes(bundle())
    program = Program(file)
    file.write_bytes(later("import nowhere_to_be_found\n"))
    assert not is_taken(program)
    assert not is_taken(program)
    file.write_bytes(later("# Mended.\n"))
    assert is_taken(program)
