import click
import pytest

from pilothouse.cli.apps.scale import patch, wanted_counts

APP = {"metadata": {"name": "shop"}, "spec": {"processes": {"web": {}, "worker": {}, "release": {}, "nightly": {"schedule": "@daily"}}}}


def test_targets_are_apps_or_an_app_and_its_processes() -> None:
    assert wanted_counts(("shop=3", "blog=0")) == {"shop": {"web": 3}, "blog": {"web": 0}}
    assert wanted_counts(("shop", "web=2", "worker=5")) == {"shop": {"web": 2, "worker": 5}}


@pytest.mark.parametrize("targets", [("shop",), ("shop=x",), ("=1",), ("shop", "worker"), ("shop=-1",), ("shop=1000000",)])
def test_a_target_that_is_none_is_wrong_usage_with_an_example(targets: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError, match="such as"):
        wanted_counts(targets)


def test_the_apps_replicas_are_those_of_web() -> None:
    assert patch(APP, {"web": 2, "worker": 3}) == {"replicas": 2, "processes": {"worker": {"replicas": 3}}}


@pytest.mark.parametrize(
    ("name", "said"), [("release", "does not run all the time"), ("nightly", "does not run"), ("x", "there is no process x")]
)
def test_what_has_no_replicas_is_not_scaled(name: str, said: str) -> None:
    with pytest.raises(click.ClickException, match=said):
        patch(APP, {name: 2})
