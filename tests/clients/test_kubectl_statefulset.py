"""A StatefulSet through kubectl: rollouts, their history, scaling, and what deleting it takes along."""

from typing import Any

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.node import MISSING_IMAGE
from tests.clients.objects import deployment

WAIT = "--timeout=15s"


def stateful_set(name: str = "db", replicas: int = 2, **spec: Any) -> dict[str, Any]:
    made = deployment(name, replicas)
    return made | {"kind": "StatefulSet", "spec": made["spec"] | {"serviceName": name} | spec}


@pytest.fixture
def db(kubectl: Kubectl) -> Kubectl:
    """A StatefulSet of two pods that has been rolled out."""
    kubectl.apply(stateful_set())
    kubectl("rollout", "status", "statefulset/db", WAIT)
    return kubectl


def roll(db: Kubectl, image: str) -> str:
    db("set", "image", "statefulset/db", f"main={image}")
    return db("rollout", "status", "statefulset/db", WAIT)


def images(db: Kubectl) -> list[str]:
    return db("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}").split()


def test_rollout_status_follows_the_update_pod_by_pod(db: Kubectl) -> None:
    assert "complete: 2 new pods have been updated" in roll(db, "nginx:2")
    assert images(db) == ["nginx:2", "nginx:2"]


def test_history_lists_templates_and_undo_goes_back(db: Kubectl) -> None:
    roll(db, "nginx:2")
    text = db("rollout", "history", "statefulset/db")
    assert [line.split()[0] for line in text.splitlines() if line[:1].isdigit()] == ["1", "2"]
    assert "nginx:1" in db("rollout", "history", "statefulset/db", "--revision=1")
    assert db("rollout", "undo", "statefulset/db") == "statefulset.apps/db rolled back\n"
    db("rollout", "status", "statefulset/db", WAIT)
    assert images(db) == ["nginx:1", "nginx:1"]


def test_undo_to_the_present_template_is_skipped(db: Kubectl) -> None:
    roll(db, "nginx:2")
    assert "skipped rollback (current template already matches revision 2)" in db("rollout", "undo", "statefulset/db", "--to-revision=2")


def test_restart_replaces_every_pod(db: Kubectl) -> None:
    before = db("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}").split()
    db("rollout", "restart", "statefulset/db")
    db("rollout", "status", "statefulset/db", WAIT)
    assert not set(before) & set(db("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}").split())


def test_a_corrected_template_goes_on_when_the_broken_pod_is_deleted(db: Kubectl) -> None:
    db("set", "image", "statefulset/db", f"main={MISSING_IMAGE}")
    db("wait", "--for=jsonpath={.spec.containers[0].image}=" + MISSING_IMAGE, "pod/db-1", WAIT)
    db("set", "image", "statefulset/db", "main=nginx:3")
    db("delete", "pod", "db-1")
    db("rollout", "status", "statefulset/db", WAIT)
    assert images(db) == ["nginx:3", "nginx:3"]


def test_scale_and_table_and_description(db: Kubectl) -> None:
    assert db("scale", "statefulset/db", "--replicas=3") == "statefulset.apps/db scaled\n"
    db("rollout", "status", "statefulset/db", WAIT)
    header, row = db("get", "sts", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "READY", "AGE", "CONTAINERS", "IMAGES"]
    assert row.split()[:2] == ["db", "3/3"]
    text = db("describe", "statefulset", "db")
    assert "3 Running / 0 Waiting / 0 Succeeded / 0 Failed" in text
    assert "create Pod db-2 in StatefulSet db successful" in text


def test_what_may_not_be_changed_is_refused(db: Kubectl) -> None:
    said = db.refused("patch", "statefulset", "db", "-p", '{"spec": {"serviceName": "other"}}')
    assert "updates to statefulset spec for fields other than 'replicas'" in said


def test_deleting_it_takes_its_pods_along(db: Kubectl) -> None:
    db("delete", "statefulset", "db", "--cascade=foreground", WAIT)
    assert db("get", "pods,controllerrevisions", "-o", "name", "-l", "app=db") == ""


def test_deleting_it_alone_leaves_its_pods(db: Kubectl) -> None:
    db("delete", "statefulset", "db", "--cascade=orphan", WAIT)
    assert db("get", "pods", "-o", "name").split() == ["pod/db-0", "pod/db-1"]
