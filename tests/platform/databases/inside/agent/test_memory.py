"""What an agent remembers, whole and changeable whatever happens to its volume."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent.memory import Memory, Outdated
from pilothouse.platform.databases.inside.agent.slots import Slots


def test_it_is_the_same_for_the_next_agent(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.obey(3, 7)
    memory.leads(3)
    memory.has_reseeded("errant-3")
    found = Memory(tmp_path)
    assert (found.term, found.step, found.led, found.reseeded) == (3, 7, 3, "errant-3")
    found.follows()
    assert Memory(tmp_path).led == 0


@pytest.mark.parametrize(("term", "step", "is_outdated"), [(3, 7, False), (3, 8, False), (4, 0, False), (3, 6, True), (2, 9, True)])
def test_another_agent_obeys_no_earlier_decision_either(tmp_path: Path, term: int, step: int, *, is_outdated: bool) -> None:
    Memory(tmp_path).obey(3, 7)
    if is_outdated:
        with pytest.raises(Outdated):
            Memory(tmp_path).obey(term, step)
    else:
        Memory(tmp_path).obey(term, step)


def test_a_write_that_broke_off_leaves_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "memory"
    for term in (1, 2, 3):
        Slots(file).write({"term": term})
    whole = file.read_bytes()
    for place in range(2):
        broken = bytearray(whole)
        broken[place * 4096 + 4 : place * 4096 + 60] = b"?" * 56
        file.write_bytes(broken)
        assert Slots(file).record["term"] == (2, 3)[place == (0 if b'"term": 2' in whole[:4096] else 1)]


def test_files_of_the_program_before_are_taken_over(tmp_path: Path) -> None:
    for name, text in (("term", "5\n"), ("led", "4\n"), ("reseeded", "behind-2\n")):
        (tmp_path / name).write_text(text)
    Memory(tmp_path)
    found = Memory(tmp_path)
    assert (found.term, found.led, found.reseeded) == (5, 4, "behind-2")
    assert [path.name for path in tmp_path.iterdir()] == ["memory"]


@pytest.fixture(params=["tmpfs", "ext4"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of some MiB."""
    folder, image = tmp_path / "volume", tmp_path / "image"
    folder.mkdir()
    if request.param == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    else:
        image.write_bytes(bytes(8 << 20))
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(folder)]
    subprocess.run(command, check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill(folder: Path) -> None:
    """To the last byte, and with no more files."""
    with suppress(OSError), (folder / "fill").open("wb", buffering=0) as file:
        for size in (1 << 16, 512, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    with pytest.raises(OSError, match="No space left"):
        (folder / "more").write_bytes(bytes(4096))
    (folder / "more").unlink(missing_ok=True)


@pytest.mark.containers  # it mounts a file system
def test_a_full_volume_keeps_a_new_decision(small: Path) -> None:
    memory = Memory(small / "agent")
    memory.obey(1, 1)
    _fill(small)
    for step in range(20):
        memory.obey(2, step)
    memory.leads(2)
    found = Memory(small / "agent")
    assert (found.term, found.step, found.led) == (2, 19, 2)


@pytest.mark.containers  # it mounts a file system
def test_where_a_decision_cannot_be_kept_none_before_it_is_obeyed_again(small: Path) -> None:
    (small / "agent").mkdir()
    _fill(small)
    memory = Memory(small / "agent")
    with pytest.raises(OSError, match="No space left"):
        memory.obey(2, 5)
    with pytest.raises(Outdated):
        memory.obey(2, 4)
    (small / "fill").unlink()
    memory.obey(2, 5)
    assert Memory(small / "agent").term == 2
