"""Which pod goes first."""

import pytest

from pilothouse.engine.node.eviction.ranking import ranked
from pilothouse.engine.node.eviction.thresholds import parse
from pilothouse.engine.node.pod.podspec import is_critical
from pilothouse.engine.node.stats.figures import PodFigures
from tests.engine.node.figures import figures

MEMORY, DISK, INODES, IMAGES, PIDS = parse("memory.available<1,nodefs.available<1,nodefs.inodesFree<1,imagefs.available<1,pid.available<1")


def order(threshold: object, *pods: PodFigures, has_image_fs: bool = False) -> str:
    return " ".join(pod.name for pod in ranked(threshold, pods, has_image_fs=has_image_fs))  # type: ignore[arg-type]


def test_memory_who_uses_more_than_it_has_asked_for_goes_first() -> None:
    modest = figures("modest", memory_mib=900, requests={"memory": "1Gi"}, priority=-10)
    greedy = figures("greedy", memory_mib=20, requests={"memory": "10Mi"}, priority=1000)
    assert order(MEMORY, modest, greedy) == "greedy modest"


def test_memory_then_who_matters_less_then_who_uses_most_above_its_request() -> None:
    pods = [
        figures("important", memory_mib=500, priority=100),
        figures("small", memory_mib=10),
        figures("large", memory_mib=200),
        figures("asked", memory_mib=250, requests={"memory": "100Mi"}),
        figures("within", memory_mib=900, requests={"memory": "900Mi"}),
    ]
    assert order(MEMORY, *pods) == "large asked small important within"


def test_who_cannot_be_measured_goes_before_all_others() -> None:
    assert order(MEMORY, figures("known", memory_mib=900), figures("unknown", memory_mib=None, priority=9)) == "unknown known"


def test_sidecars_count_with_what_runs_beside_them_and_init_containers_by_the_largest() -> None:
    inits = [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"memory": "50Mi"}}},
        {"name": "first", "resources": {"requests": {"memory": "120Mi"}}},
    ]
    within = figures("within", memory_mib=140, requests={"memory": "100Mi"}, initContainers=inits)
    above = figures("above", memory_mib=140, requests={"memory": "100Mi"}, initContainers=inits[1:])
    assert order(MEMORY, within, above) == "above within"


def test_what_a_pod_asks_for_as_a_whole_counts_instead_of_its_containers() -> None:
    within = figures("within", memory_mib=140, requests={"memory": "1Mi"}, resources={"requests": {"memory": "200Mi"}})
    above = figures("above", memory_mib=140, requests={"memory": "200Mi"}, resources={"requests": {"memory": "1Mi"}})
    assert order(MEMORY, within, above) == "above within"


def test_disk_counts_layers_logs_and_volumes_on_disk_but_not_those_in_memory() -> None:
    pods = [
        figures("layers", disk_mib=30),
        figures("logs", logs_mib=40),
        figures("volumes", volumes_mib={"v": 50}),
        figures("memory", volumes_mib={"m": 500}, in_memory=frozenset({"m"})),
        figures("asked", disk_mib=90, requests={"ephemeral-storage": "100Mi"}),
    ]
    # A pod that uses nothing has used no more than it has asked for.
    assert order(DISK, *pods) == "volumes logs layers memory asked"


def test_with_images_on_a_disk_of_their_own_each_disk_has_its_own_order() -> None:
    pods = [figures("layers", disk_mib=30), figures("volumes", volumes_mib={"v": 20})]
    assert order(IMAGES, *pods, has_image_fs=True) == "layers volumes"
    assert order(DISK, *pods, has_image_fs=True) == "volumes layers"


def test_inodes_are_counted_where_they_are_short() -> None:
    assert order(INODES, figures("large", disk_mib=900, inodes=1), figures("many", disk_mib=1, inodes=5000)) == "many large"


def test_process_numbers_go_by_priority_then_by_how_many() -> None:
    pods = [figures("important", processes=900, priority=5), figures("few", processes=2), figures("many", processes=700)]
    assert order(PIDS, *pods) == "many few important"


@pytest.mark.parametrize(
    ("pod", "critical"),
    [
        (figures("p"), False),
        (figures("p", priority=1_999_999_999), False),
        (figures("p", priority=2_000_000_000), True),
        (figures("p", priority=2_000_001_000), True),
    ],
)
def test_what_belongs_to_the_system_is_critical(pod: PodFigures, critical: bool) -> None:
    assert is_critical(pod.pod) is critical
