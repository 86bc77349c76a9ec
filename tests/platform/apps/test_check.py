"""Values that an App may not hold, and the sentence that says so."""

from typing import Any

import pytest

from pilothouse.platform.apps import check
from pilothouse.platform.apps.types import APP
from tests.platform.apps.life import Life, app


@pytest.mark.parametrize("text", ["nu app", "nü-umlaut", "nu.dot", "x" * 64, "9lives", "Shop", "-a", "a-", "", "../x"])
def test_a_name_that_is_none_is_refused_in_one_sentence(text: str) -> None:
    assert "is no name for an app" in check.name(text)


def test_a_name_that_is_nearly_one_is_suggested() -> None:
    assert check.name("Nu App").endswith("such as nu-app")
    assert check.name("x" * 63) == ""


@pytest.mark.parametrize(
    ("resource", "text", "named"),
    [
        ("memory", "128MB", "128Mi (or 128M"),
        ("memory", "128m", "less than a byte"),
        ("memory", "1Ki", "nothing starts"),
        ("memory", "plenty", "256Mi"),
        ("memory", "512 mb", "512Mi"),
        ("cpu", "abc", "500m"),
        ("cpu", "-1", "500m"),
        ("cpu", "0", "more than nothing"),
    ],
)
def test_an_amount_that_is_none_is_refused_with_what_was_meant(resource: str, text: str, named: str) -> None:
    assert named in check.quantity(resource, text)


@pytest.mark.parametrize("text", ["", "64Mi", "1.5Gi", "1e9", "128M", "500000k"])
def test_an_amount_is_what_kubernetes_takes(text: str) -> None:
    assert check.quantity("memory", text) == ""


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("http://shop.example.org/x", "shop.example.org"),
        ("Shop.example.org", "shop.example.org"),
        ("a_b.local", "a-b.local"),
        ("shop:80", "shop"),
        ("", "shop.example.org"),
        ("a..b", "shop.example.org"),
        ("x" * 64, "shop.example.org"),
    ],
)
def test_a_host_that_is_none_is_refused_with_an_example(text: str, example: str) -> None:
    assert check.host(text).endswith(f"such as {example}")


def test_hosts_images_and_paths_that_are_good_pass() -> None:
    assert [check.host(each) for each in ("shop.localhost", "*.example.org", "a")] == ["", "", ""]
    assert [check.image(each) for each in ("nginx", "127.0.0.1:5000/a/b@sha256:" + "a" * 64, "")] == ["", "", ""]
    assert [check.health(each) for each in ("", "/", "/healthz?x=1")] == ["", "", ""]


def test_images_and_paths_that_are_none_are_refused() -> None:
    assert "lower case" in check.image("Nginx Latest")
    assert "write /healthz" in check.health("healthz")


@pytest.mark.parametrize(
    ("processes", "named"),
    [
        ({"web": {"replicas": 2}}, "spec.replicas"),
        ({"release": {"schedule": "@daily"}}, "release"),
        ({"celery_beat": {}}, "celery_beat"),
        ({"nightly": {"schedule": "every day"}}, "five fields"),
        ({"nightly": {"schedule": "@daily", "replicas": 2}}, "one runs at a time"),
        ({"worker": {"resources": {"memory": "1m"}}}, "less than a byte"),
        ({"w" * 31: {}}, "30"),
    ],
)
def test_what_a_process_cannot_be_is_refused(processes: dict[str, Any], named: str) -> None:
    (fault,) = check.app(app(image="web:1", processes=processes))
    assert named in fault


def test_an_app_with_a_fault_changes_nothing_and_says_why() -> None:
    life = Life(app(image="web:1"))
    life.settle()
    before = dict(life.objects)
    life.change(image="web:2", processes={"web": {"replicas": 2}})
    life.settle()
    assert life.condition("Ready") == ("False", "InvalidApp")
    assert life.objects == before


def test_the_schema_refuses_what_the_checks_refuse() -> None:
    schema = APP.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert "pattern" in schema["metadata"]["properties"]["name"]
    assert "pattern" in schema["spec"]["properties"]["hosts"]["items"]
    assert "pattern" in schema["spec"]["properties"]["resources"]["properties"]["memory"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"autoscale": {"min": 5, "max": 2}}, "autoscale.max 2 is less than autoscale.min 5: let it be 5 or more"),
        ({"autoscale": {"max": 2, "memory": 80}}, "autoscale.memory is a share of the memory limit"),
        ({"autoscale": {"max": 2}, "processes": {"worker": {}}}, "there is none: leave it out"),
    ],
)
def test_an_app_that_cannot_follow_its_load_is_told_why(spec: dict[str, Any], said: str) -> None:
    obj = {"metadata": {"name": "shop"}, "spec": {"image": "web:1", **spec}}
    assert any(said in fault for fault in check.app(obj))
