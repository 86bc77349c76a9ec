"""Which images go, and which containers."""

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.aio.clock import Steady
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.housekeeping import images as collecting
from pilothouse.engine.node.housekeeping.containers import Ends, collect_containers
from pilothouse.engine.node.housekeeping.images import collect_images, remove_unused_images
from pilothouse.engine.node.images.collection import Seen, candidates
from pilothouse.engine.node.images.store import ImageStore
from pilothouse.engine.node.runtime.seam import EXITED, Container, Image
from pilothouse.engine.node.stats.figures import Filesystem
from tests.simulation.fake_runtime import FakeRuntime

A, B, C = (Image(name, (f"{name}:1",), (f"{name}@sha256:1",), 100) for name in "abc")


def names(found: list[Image]) -> str:
    return " ".join(each.id for each in found)


def test_those_unused_longest_go_first() -> None:
    seen = dict.fromkeys("abc", 0.0)
    assert names(candidates([A, B, C], seen, {"a": 5.0, "c": 1.0}, set(), 1000.0, 120.0)) == "b c a"


@pytest.mark.parametrize("reference", ["a", "a:1", "a@sha256:1"])
def test_what_is_in_use_stays_by_whatever_name(reference: str) -> None:
    assert names(candidates([A, B], {"a": 0.0, "b": 0.0}, {}, {reference}, 1000.0, 120.0)) == "b"


def test_what_is_young_stays() -> None:
    assert names(candidates([A, B], {"a": 0.0, "b": 900.0}, {}, set(), 1000.0, 120.0)) == "a"


def test_an_image_that_was_there_before_us_is_old_and_one_that_comes_is_young() -> None:
    seen = Seen()
    seen.note([A], 500.0)
    seen.note([A, B], 600.0)
    assert seen.first == {"a": 0.0, "b": 600.0}
    seen.note([B], 700.0)
    assert seen.first == {"b": 600.0}


class Bench:
    """A node with three images, one of them wanted by a pod that has not started yet."""

    def __init__(self, folder: Path) -> None:
        self.runtime = FakeRuntime(latency_s=0.0)
        self.runtime.holds("a:1", "b:1", "wanted:1", "mounted:1", "pause:1")
        self.clock = Steady()
        config = NodeConfig(home=folder, node_name="n", instance="i", sandbox_image="pause:1")
        self.context: Any = SimpleNamespace(
            config=config, runtime=self.runtime, images=ImageStore(self.runtime, folder, self.clock), clock=self.clock, now=self.clock
        )
        volumes = [{"name": "v", "image": {"reference": "mounted:1"}}, {"name": "w", "emptyDir": {}}]
        spec = {"containers": [{"name": "c", "image": "wanted:1"}], "volumes": volumes}
        pod = {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": spec}
        self.kept: list[str] = []
        self.workers: Any = {"u": SimpleNamespace(pod=pod, state=SimpleNamespace(finished=False), kept_containers=lambda: self.kept)}

    @property
    def left(self) -> set[str]:
        return set(self.runtime.stock)

    def filled(self, monkeypatch: pytest.MonkeyPatch, available: int) -> None:
        monkeypatch.setattr(collecting, "filesystem", lambda folder: Filesystem(1, 10_000, available, 10_000 - available, 10, 5))


async def test_below_the_mark_nothing_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.filled(monkeypatch, 1501)
    await collect_images(bench.context, bench.workers)
    assert len(bench.left) == 5


async def test_above_the_mark_unused_images_go_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.filled(monkeypatch, 1400)
    await collect_images(bench.context, bench.workers)
    # Of 8,600 of 10,000 bytes 600 have to go, and an image has 1,000.
    assert len(bench.left) == 4
    assert {"wanted:1", "mounted:1", "pause:1"} <= bench.left


async def test_one_that_cannot_be_removed_leaves_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.runtime.fail("RemoveImage", times=1)
    await remove_unused_images(bench.context, bench.workers)
    assert len(bench.left) == 4
    await remove_unused_images(bench.context, bench.workers)
    assert bench.left == {"wanted:1", "mounted:1", "pause:1"}


def ended(id: str, finished_at: float) -> Container:
    return Container(id, "box", "u", "c", 0, EXITED, 1.0, finished_at=finished_at)


async def test_of_ended_containers_the_kept_and_the_young_stay(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    now = time.time()
    bench.runtime.inside = {each.id: each for each in (ended("old", now - 100), ended("young", now - 1), ended("kept", now - 100))}
    bench.runtime.inside["strange"] = replace(ended("strange", 1.0), uid="other")
    bench.kept = ["kept"]
    await collect_containers(bench.context, bench.workers, 60.0, ends=Ends())
    assert set(bench.runtime.inside) == {"young", "kept", "strange"}
    bench.workers["u"].state.finished = True
    await collect_containers(bench.context, bench.workers, 0.0, ends=Ends(), of_ended_pods=True)
    assert set(bench.runtime.inside) == {"strange"}


async def test_no_container_ages_when_the_machines_clock_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, ends, real = Bench(tmp_path), Ends(), time.time
    bench.runtime.inside = {"young": ended("young", real() - 1)}
    await collect_containers(bench.context, bench.workers, 60.0, ends=ends)
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    await collect_containers(bench.context, bench.workers, 60.0, ends=ends)
    assert set(bench.runtime.inside) == {"young"}


async def test_what_was_used_last_goes_last_whatever_the_machines_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, real = Bench(tmp_path), time.time
    store = bench.context.images
    await store.present("a:1")
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    await store.present("b:1")
    removed = await store.collect({"wanted:1", "mounted:1", "pause:1"}, 1, min_age_s=0.0)
    assert [each.tags for each in removed] == [("a:1",)]
