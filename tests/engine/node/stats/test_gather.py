"""Gathering: when asked, at most once a second, for all who ask together; and what is left when the runtime does not answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.runtime.seam import RUNNING, Container, Image, RuntimeFailure, Usage
from pilothouse.engine.node.stats.exposition import cadvisor, resource
from pilothouse.engine.node.stats.figures import Cpu, Figures
from pilothouse.engine.node.stats.gather import Statistics
from pilothouse.engine.node.stats.rates import Rates
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.engine.node.stats.summary import summary
from pilothouse.model.json import Object
from tests.engine.node.figures import MIB, figures
from tests.simulation.fake_figures import plenty
from tests.simulation.fake_runtime import FakeRuntime

POD: Object = {
    "metadata": {"name": "p", "namespace": "default", "uid": "u"},
    "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}, {"name": "x", "hostPath": {}}]},
}
CONTAINER = Container("id1", "box", "u", "c", 0, RUNNING, 1.0, image="i", started_at=1.0)


class Counting(FakeRuntime):
    """asked: how often it has been asked for usage."""

    asked = 0
    fails = False

    async def usage(self) -> list[Usage]:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise RuntimeFailure("ListContainerStats", "gone", "UNAVAILABLE")
        return [Usage("id1", "u", "c", 100.0 + self.asked, 10**9 * self.asked, 5 * MIB, 3 * MIB, 7)]

    async def images(self) -> list[Image]:
        return [Image("a", (), (), 100), Image("b", (), (), 23)]


@dataclass
class Bench:
    statistics: Statistics
    runtime: Counting
    now: list[float] = field(default_factory=lambda: [0.0])


def bench(folder: Path, pods: Sequence[PodSource] = (PodSource(POD, "box", 1.0, (CONTAINER,)),)) -> Bench:
    config = NodeConfig(home=folder, node_name="n", instance="pilothouse-nosuch")
    config.containerd_dir.mkdir(parents=True)
    runtime, now = Counting(), [0.0]
    return Bench(Statistics(runtime, config, lambda: pods, lambda: now[0]), runtime, now)


async def test_all_who_ask_together_are_answered_by_one_look(tmp_path: Path) -> None:
    made = bench(tmp_path)
    found = await asyncio.gather(*(made.statistics.figures() for _ in range(50)))
    assert made.runtime.asked == 1
    assert all(each is found[0] for each in found)


async def test_a_look_is_good_for_a_second(tmp_path: Path) -> None:
    made = bench(tmp_path)
    first = await made.statistics.figures()
    made.now[0] = 0.9
    assert await made.statistics.figures() is first
    made.now[0] = 1.1
    assert await made.statistics.figures() is not first
    assert made.runtime.asked == 2


async def test_who_gives_up_leaves_the_others_waiting(tmp_path: Path) -> None:
    made = bench(tmp_path)
    impatient = asyncio.ensure_future(made.statistics.figures())
    patient = asyncio.ensure_future(made.statistics.figures())
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).node.name == "n"
    assert made.runtime.asked == 1


async def test_containers_have_the_runtimes_figures_and_rates_from_the_second_look_on(tmp_path: Path) -> None:
    made = bench(tmp_path)
    (container,) = (await made.statistics.figures()).pods[0].containers
    assert container.cpu == Cpu(10**9, None)
    made.now[0] = 2.0
    found = await made.statistics.figures()
    (container,) = found.pods[0].containers
    assert container.cpu == Cpu(2 * 10**9, 10**9)
    assert container.memory is not None
    assert (container.memory.working_set_bytes, found.node.image_bytes) == (5 * MIB, 123)


async def test_while_the_runtime_does_not_answer_the_node_is_still_seen(tmp_path: Path) -> None:
    made = bench(tmp_path)
    await made.statistics.figures()
    made.runtime.fails, made.now[0] = True, 2.0
    found = await made.statistics.figures()
    assert found.node.memory_capacity_bytes > 0
    assert found.pods[0].containers[0].memory is not None


async def test_volumes_and_logs_are_measured_when_that_is_asked_for(tmp_path: Path) -> None:
    made = bench(tmp_path)
    volume = tmp_path / "kubelet/pods/u/volumes/kubernetes.io~empty-dir/v"
    logs = tmp_path / "logs/pods/default_p_u/c"
    for folder, size in ((volume, 2 * MIB), (logs, MIB)):
        folder.mkdir(parents=True)
        (folder / "f").write_bytes(b"x" * size)
    assert (await made.statistics.figures()).pods[0].volumes == {}
    (pod,) = (await made.statistics.measured(10.0)).pods
    assert set(pod.volumes) == {"v"}
    assert 2 * MIB <= pod.volumes["v"].used_bytes < 3 * MIB
    # Three MiB of its own layer, two of the volume, one of logs.
    assert 6 * MIB <= pod.disk.used_bytes < 7 * MIB


async def test_a_volume_that_grows_is_measured_again_when_it_is_due(tmp_path: Path) -> None:
    made = bench(tmp_path)
    volume = tmp_path / "kubelet/pods/u/volumes/kubernetes.io~empty-dir/v"
    volume.mkdir(parents=True)
    await made.statistics.measured(10.0)
    (volume / "f").write_bytes(b"x" * MIB)
    made.now[0] = 5.0
    assert (await made.statistics.measured(10.0)).pods[0].volumes["v"].used_bytes < MIB
    made.now[0] = 11.0
    assert (await made.statistics.measured(10.0)).pods[0].volumes["v"].used_bytes >= MIB


def test_a_counter_that_begins_anew_has_no_rate() -> None:
    rates = Rates()
    rates.rated("a", Cpu(100), 0.0)
    assert rates.rated("a", Cpu(50), 1.0).nanocores is None
    assert rates.rated("a", Cpu(150), 2.0).nanocores == 100
    assert rates.rated("a", Cpu(160), 2.1).nanocores == 100


def test_what_is_not_asked_for_any_more_is_forgotten() -> None:
    rates = Rates()
    rates.rated("a", Cpu(100), 0.0)
    rates.forget_others()
    rates.forget_others()
    assert rates.rated("a", Cpu(200), 1.0).nanocores is None


def test_the_summary_leaves_out_what_is_not_known() -> None:
    found = summary(Figures(plenty(), (figures("p", memory_mib=None),)))
    (pod,) = found["pods"]
    assert "memory" not in pod
    assert "network" not in pod
    assert pod["podRef"] == {"name": "p", "namespace": "default", "uid": "uid-p"}


def test_a_label_cannot_end_its_line() -> None:
    hostile = figures('p"} 1\nx\\')
    for text in (resource.exposition(Figures(plenty(), (hostile,))), cadvisor.exposition(Figures(plenty(), (hostile,)))):
        lines = [line for line in text.splitlines() if line.startswith("container_memory_working_set_bytes") and 'container="c"' in line]
        assert len(lines) == 1
        assert 'pod="p\\"} 1\\nx\\\\"' in lines[0]


def test_the_machine_has_the_processors_that_pods_may_run_on() -> None:
    assert "machine_cpu_cores 3\n" in cadvisor.exposition(Figures(replace(plenty(), processors=3)))


def test_numbers_keep_every_digit() -> None:
    found = resource.exposition(Figures(plenty(), (figures("p", memory_mib=123_456),)))
    assert f'pod_memory_working_set_bytes{{namespace="default",pod="p"}} {123_456 * MIB} 2000' in found


async def test_files_that_the_node_gives_to_containers_count_as_the_pods_storage(tmp_path: Path) -> None:
    """A container may write as much as it likes to its /etc/hosts and its termination message (upstream: CVE-2020-8557)."""
    made = bench(tmp_path)
    own = tmp_path / "kubelet/pods" / "u"
    (own / "containers" / "c").mkdir(parents=True)
    (own / "etc-hosts").write_bytes(b"x" * 3 * MIB)
    (own / "containers" / "c" / "message").write_bytes(b"x" * 2 * MIB)
    (pod,) = (await made.statistics.measured(0)).pods
    assert 5 * MIB <= pod.given.used_bytes < 5 * MIB + 64 * 1024
    assert pod.local.used_bytes >= 5 * MIB
    assert pod.disk.used_bytes >= 5 * MIB
