"""The charts' objects as plain manifests: `kubectl apply --server-side`, conflicts, pruning, all removed and made again."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.e2e.charts import test_log_agent, test_postgresql, test_rabbitmq, test_redis, test_shop
from tests.e2e.charts.release import Release, is_ready
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Case:
    """use: works with what runs; workload: one whose replicas are changed by hand, "" for none. pods: how many there are at first."""

    chart: str
    image: str
    tags: tuple[str, str]
    release: str
    pods: int
    workload: str
    use: Callable[[Release], None]
    options: tuple[str, ...] = ()
    settings: Callable[[Release], list[str]] = lambda release: []


def use_redis(redis: Release) -> None:
    test_redis.put(redis, "applied")
    test_redis.has(redis, "applied", test_redis.MASTER, test_redis.FIRST)


def use_database(database: Release) -> None:
    test_postgresql.sql(database, "INSERT INTO notes (said) VALUES ('applied')")
    assert "applied" in test_postgresql.notes(database)


def use_backups(database: Release) -> None:
    use_database(database)
    database.kubectl("delete", "job", "now", "--ignore-not-found")
    database.kubectl("create", "job", "now", "--from=cronjob/p-postgresql-backup")
    database.kubectl("wait", "job/now", "--for=condition=complete", "--timeout=60s")


def use_broker(broker: Release) -> None:
    test_rabbitmq.publish(broker, "applied")
    test_rabbitmq.take(broker, test_rabbitmq.FIRST, "applied")


def use_agent(agent: Release) -> None:
    agent.kubectl("delete", "pod", "speaker", "--ignore-not-found")
    text = f"applied-in-{agent.namespace}"  # it gathers what all pods of the node say
    test_log_agent.speak(agent, "speaker", text)
    test_log_agent.has_come(agent, "speaker", text)


def use_shop(shop: Release) -> None:
    assert len(test_shop.page(shop)["products"]) == 2


POSTGRES = ("postgresql", ("15", "15-r1"), "p", 1, "")
SECRET = ("--set", "auth.password=known")
BROKER = ("--set", "replicaCount=1", "--set", "auth.erlangCookie=biscuit", "--set", "auth.password=known")
CASES = [
    Case("redis", "redis", ("7.0", "7.0-r1"), "r", 3, "statefulset/r-redis-replicas", use_redis, ("--set", "auth.enabled=false")),
    Case("postgresql", *POSTGRES, use_database, SECRET),
    Case("postgresql", *POSTGRES, use_backups, (*SECRET, "--set", "backup.enabled=true")),
    Case(
        "rabbitmq",
        "rabbitmq",
        ("3.10", "3.10-r1"),
        "q",
        1,
        "",
        use_broker,
        BROKER,
    ),
    Case("log-agent", "rsyslog", ("8.2302", "8.2302-r1"), "a", 2, "deployment/a-collector", use_agent, (), test_log_agent.settings),
    Case("shop", "python", ("1", "2"), "s", 6, "deployment/s-catalog", use_shop, ("--set", "autoscaling.enabled=false")),
]


@dataclass(frozen=True)
class Applied:
    """The objects of a case, with the tag of the first or the second image: number 0 or 1."""

    case: Case
    release: Release

    def text(self, number: int, *options: str) -> str:
        tag = ("--set", f"image.tag={self.case.tags[number]}")
        return self.release.helm.template(
            self.case.release, self.case.chart, *self.case.options, *self.case.settings(self.release), *tag, *options
        )

    def apply(self, text: str, *options: str) -> str:
        return self.release.kubectl("apply", "--server-side", *options, "-f", "-", input=text)

    def is_up(self, number: int) -> None:
        """Waits until all pods are ready and have the image of that number."""

        def holds() -> bool:
            pods = self.release.pods()
            running = {each["spec"]["containers"][0]["image"].rpartition(":")[2] for each in pods}
            return running == {self.case.tags[number]} and [is_ready(each) for each in pods] == [True] * self.case.pods

        eventually(holds, 150, 0.5)


@pytest.fixture(params=CASES, ids=lambda case: f"{case.chart}{len(case.options)}")
def applied(request: pytest.FixtureRequest, images: Callable[..., str], release: Callable[[str], Release]) -> Applied:
    case: Case = request.param
    images(case.image, *case.tags)
    return Applied(case, release(case.release))


def versions(release: Release) -> dict[str, int]:
    """Generation of each workload."""
    found = release.get("statefulsets,deployments,daemonsets,cronjobs", "-l", f"app.kubernetes.io/instance={release.name}")["items"]
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in found}


def test_applied_changed_taken_back_deleted_and_applied_again(applied: Applied) -> None:
    release, first, second = applied.release, applied.text(0), applied.text(1)
    assert "serverside-applied" in applied.apply(first)
    applied.is_up(0)
    applied.case.use(release)
    before = versions(release)
    applied.apply(first)
    assert versions(release) == before, "the same was applied, and something has changed"
    applied.apply(second)
    applied.is_up(1)
    applied.case.use(release)
    applied.apply(first)
    applied.is_up(0)
    release.kubectl("delete", "--wait", "-f", "-", input=first)
    release.is_gone()
    applied.apply(first)
    applied.is_up(0)
    applied.case.use(release)
    release.kubectl("delete", "-f", "-", input=first)


def test_replicas_that_others_have_set_are_a_conflict_until_forced_and_what_is_left_out_is_pruned(
    instance: Instance, images: Callable[..., str], release: Callable[[str], Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = next(each for each in CASES if each.chart == "shop")
    images(case.image, *case.tags)
    applied = Applied(case, release(case.release))
    shop = applied.release
    applied.apply(applied.text(0))
    applied.is_up(0)
    shop.kubectl("scale", case.workload, "--replicas=1")
    refused = instance.kubectl("-n", shop.namespace, "apply", "--server-side", "-f", "-", check=False, input=applied.text(1))
    assert refused.returncode != 0
    assert 'conflict with "kubectl" with subresource "scale"' in refused.stderr
    assert ".spec.replicas" in refused.stderr
    applied.apply(applied.text(1), "--force-conflicts")
    applied.is_up(1)
    smaller = applied.text(1, "--set", "services.cart=null", "--set", "ingress.enabled=false")
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    for text in (applied.text(1), smaller):  # kubectl prunes what it has applied itself as part of the set
        applied.apply(text, "--prune", "--applyset=shop")
    shop.is_ready(0, "cart")
    assert "s-cart" not in shop.kubectl("get", "deployments,services", "-o", "name")
    assert shop.kubectl("get", "ingresses", "-o", "name") == ""
