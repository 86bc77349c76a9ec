"""Limits of local storage, and what is said of those who exceed them."""

import pytest

from pilothouse.engine.node.eviction.decide import Observed
from pilothouse.engine.node.eviction.limits import exceeded
from pilothouse.engine.node.eviction.messages import of_pressure
from pilothouse.engine.node.eviction.thresholds import parse
from pilothouse.engine.node.stats.figures import PodFigures
from tests.engine.node.figures import MIB, figures


def empty_dir(used_mib: int, limit: str | None) -> PodFigures:
    source = {} if limit is None else {"sizeLimit": limit}
    return figures("p", volumes_mib={"v": used_mib}, volumes=[{"name": "v", "emptyDir": source}])


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (empty_dir(2, "1Mi"), 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '),
        (empty_dir(1, "1Mi"), ""),
        (empty_dir(9, None), ""),
        (empty_dir(9, "0"), ""),
        (figures("p", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]), ""),
        (
            figures("p", disk_mib=6, logs_mib=5, limits={"ephemeral-storage": "10Mi"}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
        ),
        (figures("p", disk_mib=5, logs_mib=5, limits={"ephemeral-storage": "10Mi"}), ""),
        (figures("p", disk_mib=500), ""),
        (figures("p", volumes_mib={"m": 50}, in_memory=frozenset({"m"}), limits={"ephemeral-storage": "10Mi"}), ""),
    ],
)
def test_a_limit_is_exceeded_by_more_than_it_says(pod: PodFigures, said: str) -> None:
    found = exceeded(pod, has_image_fs=False)
    assert (found or ("", ""))[1] == said


def test_one_container_of_two_may_exceed_its_own_limit() -> None:
    pod = figures("p", disk_mib=11, limits={"ephemeral-storage": "10Mi"})
    pod.pod["spec"]["containers"].append({"name": "d", "resources": {"limits": {"ephemeral-storage": "100Mi"}}})
    found = exceeded(pod, has_image_fs=False)
    assert found == ("ephemeralcontainerfs.limit", 'Container c exceeded its local ephemeral storage limit "10Mi". ')
    # With images on a disk of their own only logs lie where the limit is about.
    assert exceeded(pod, has_image_fs=True) is None


def test_pressure_is_told_in_upstreams_words() -> None:
    (threshold,) = parse("memory.available<100Mi")
    message = of_pressure(threshold, {"memory.available": Observed(50 * MIB, 1000 * MIB)}, figures("p", memory_mib=30))
    assert message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 30Mi, request is 0, has larger consumption of memory. "
    )


def test_who_is_within_its_request_is_not_blamed() -> None:
    (threshold,) = parse("nodefs.available<10%")
    observed = {"nodefs.available": Observed(50 * MIB, 1000 * MIB)}
    message = of_pressure(threshold, observed, figures("p", disk_mib=5, requests={"ephemeral-storage": "10Mi"}))
    assert message == "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 50Mi. "


def test_a_pod_that_asks_as_a_whole_is_told_as_a_whole() -> None:
    (threshold,) = parse("memory.available<100Mi")
    pod = figures("p", memory_mib=30, resources={"requests": {"memory": "10Mi"}})
    message = of_pressure(threshold, {"memory.available": Observed(50 * MIB, 1000 * MIB)}, pod)
    assert "Pod p was using 30Mi, request is 10Mi, has larger consumption of memory. " in message
