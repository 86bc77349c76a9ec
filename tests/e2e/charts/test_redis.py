"""Redis with replicas by helm, over its whole life: what the public installs first."""

from collections.abc import Callable

import pytest

from tests.e2e.charts.release import Release, down_and_up, restart_node
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(400)]
MASTER, FIRST = "r-redis-master-0", "r-redis-replicas-0"


@pytest.fixture
def redis(images: Callable[..., str], release: Callable[[str], Release]) -> Release:
    images("redis", "7.0", "7.0-r1")
    return release("r")


def put(redis: Release, value: str) -> None:
    assert redis.sh(MASTER, f"redis-cli set k {value}") == "OK"


def has(redis: Release, value: str, *pods: str) -> None:
    """Each of these pods has the value; replicas get it a moment later."""

    def holds() -> bool:
        return all(redis.sh(pod, "redis-cli get k", check=False) == value for pod in pods)

    eventually(holds, 40, 0.3)


def test_redis_is_installed_used_upgraded_rolled_back_scaled_and_removed(redis: Release) -> None:
    helm = redis.helm
    notes = helm.install("r", "redis")
    assert f"r-redis-master (reads and writes) and r-redis-replicas (reads) in {redis.namespace}" in notes
    assert redis.ready() == 3
    put(redis, "first")
    has(redis, "first", MASTER, FIRST, "r-redis-replicas-1")
    assert "Succeeded" in helm("test", "r", "--timeout=60s")
    password = redis.kubectl("get", "secret", "r-redis", "-o", "jsonpath={.data.redis-password}")

    helm.upgrade("r", "redis", "--set", "image.tag=7.0-r1", "--set", "replica.replicaCount=3")
    redis.is_ready(3, "replicas")
    has(redis, "first", MASTER, FIRST, "r-redis-replicas-2")
    assert redis.sh(MASTER, "echo $IMAGE_TAG") == "7.0-r1"
    assert redis.kubectl("get", "secret", "r-redis", "-o", "jsonpath={.data.redis-password}") == password, "lookup found nothing"

    helm.rollback("r", 1)
    redis.is_ready(2, "replicas")
    assert redis.sh(MASTER, "echo $IMAGE_TAG") == "7.0"
    has(redis, "first", MASTER, FIRST)
    assert [state for _, state in helm.history("r")] == ["superseded", "superseded", "deployed"]

    redis.kubectl("scale", "statefulset/r-redis-replicas", "--replicas=1")
    redis.is_ready(1, "replicas")
    helm.uninstall("r")
    redis.is_gone()
    assert redis.claims() == ["redis-data-r-redis-master-0"]


@pytest.mark.slow
def test_redis_keeps_its_data_through_deaths_restarts_and_a_second_install(redis: Release) -> None:
    helm = redis.helm
    helm.install("r", "redis", "--set", "auth.existingSecret=")
    put(redis, "kept")
    redis.replace(MASTER)
    has(redis, "kept", MASTER, FIRST)
    redis.kill(FIRST)
    has(redis, "kept", FIRST)
    restart_node(redis.instance)
    has(redis, "kept", MASTER, FIRST)
    ids = [redis.identity(pod) for pod in (MASTER, FIRST)]
    down_and_up(redis.instance)
    redis.is_ready(3)
    assert [redis.identity(pod) for pod in (MASTER, FIRST)] == ids
    has(redis, "kept", MASTER, FIRST)
    helm.uninstall("r")
    redis.kubectl("create", "secret", "generic", "mine", "--from-literal=redis-password=other")
    helm.install("r", "redis", "--set", "auth.existingSecret=mine")
    has(redis, "kept", MASTER, FIRST)
    helm.uninstall("r")
