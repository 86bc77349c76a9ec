"""Logs that are rotated, whatever goes wrong in between."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.housekeeping.rotation import put_back, rotate_logs, set_aside
from pilothouse.engine.node.pod.state import PodState, Tracked
from pilothouse.engine.node.runtime.seam import RUNNING, Container, RuntimeFailure


class Runtime:
    """Opens a new log when it is told to, unless it refuses; refuses: ids of containers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refuses: set[str] = set()
        self.told: list[str] = []

    async def reopen_log(self, id: str) -> None:
        self.told.append(id)
        if id in self.refuses:
            raise RuntimeFailure("ReopenContainerLog", "containerd restarts", "UNAVAILABLE")
        (self.folder / id / "0.log").write_bytes(b"")


class Bench:
    def __init__(self, folder: Path, *names: str) -> None:
        config = NodeConfig(home=folder, node_name="n", instance="i", log_max_bytes=10, log_files=3)
        self.logs = config.pod_logs("default", "p", "u")
        self.runtime = Runtime(self.logs)
        self.context: Any = SimpleNamespace(config=config, runtime=self.runtime)
        state = PodState()
        for name in names:
            (self.logs / name).mkdir(parents=True)
            state.containers[name] = Tracked(name, Container(name, "box", "u", name, 0, RUNNING, 1.0))
            self.write(name)
        pod = {"metadata": {"name": "p", "namespace": "default", "uid": "u"}}
        self.workers: Any = {"u": SimpleNamespace(pod=pod, state=state)}

    def write(self, name: str, size: int = 20) -> None:
        (self.logs / name / "0.log").write_bytes(b"x" * size)

    def files(self, name: str) -> list[int]:
        """Sizes, the present one last."""
        older = sorted(each for each in (self.logs / name).iterdir() if each.name != "0.log")
        return [each.stat().st_size for each in [*older, *(self.logs / name).glob("0.log")]]

    async def rotate(self) -> None:
        await rotate_logs(self.context, self.workers)


async def test_a_log_that_is_too_large_makes_room_for_a_new_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "c")
    await bench.rotate()
    assert bench.files("c") == [20, 0]
    await bench.rotate()
    assert bench.runtime.told == ["c"]


async def test_a_rename_is_taken_back_when_the_runtime_does_not_follow_and_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "c")
    bench.runtime.refuses = {"c"}
    for _ in range(3):
        await bench.rotate()
        assert bench.files("c") == [20]
    bench.runtime.refuses = set()
    await bench.rotate()
    assert bench.files("c") == [20, 0]


async def test_one_log_that_fails_leaves_the_others_their_turn(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a", "b")
    bench.runtime.refuses = {"a"}
    await bench.rotate()
    assert (bench.files("a"), bench.files("b")) == ([20], [20, 0])


async def test_an_agent_that_was_killed_after_the_rename_has_the_log_opened_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "c")
    set_aside(bench.logs / "c/0.log", 10, 3)
    await bench.rotate()
    assert bench.files("c") == [20, 0]


async def test_a_folder_that_goes_meanwhile_hurts_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "a", "b")
    (bench.logs / "a/0.log").unlink()
    (bench.logs / "a").rmdir()
    await bench.rotate()
    assert bench.files("b") == [20, 0]


async def test_only_so_many_files_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "c")
    for _ in range(6):
        await bench.rotate()
        bench.write("c")
    assert bench.files("c") == [20, 20, 20]


def test_what_the_runtime_has_opened_after_all_is_not_replaced(tmp_path: Path) -> None:
    aside, path = tmp_path / "0.log.1", tmp_path / "0.log"
    aside.write_text("old")
    path.write_text("new")
    put_back(aside, path)
    assert (path.read_text(), aside.read_text()) == ("new", "old")
