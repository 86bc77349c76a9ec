import click
import pytest

from pilothouse.cli.apps.autoscale import PERCENT, autoscaled, shown, single_app
from pilothouse.cli.apps.scale import patch, wanted_counts
from pilothouse.model.json import Object

APP: Object = {
    "metadata": {"name": "shop"},
    "spec": {"processes": {"web": {}, "worker": {}, "release": {}, "nightly": {"schedule": "@daily"}}},
}


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


def test_a_share_is_written_in_percent() -> None:
    assert [PERCENT.convert(text, None, None) for text in ("70%", "70", 5)] == [70, 70, 5]
    for text in ("", "x", "0%", "-1", "1001", "70 %"):
        with pytest.raises(click.BadParameter, match="such as 70%"):
            PERCENT.convert(text, None, None)


@pytest.mark.parametrize("targets", [("shop=3",), ("shop", "worker=2"), ("shop", "worker"), ("shop=2", "blog=3")])
def test_the_load_decides_for_one_app_alone_and_not_beside_a_number(targets: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError, match="ph scale shop --max 10"):
        single_app(targets)
    assert single_app(("shop",)) == "shop"


def test_what_is_asked_of_the_load_is_added_to_what_is_there() -> None:
    first = autoscaled(APP, {"max": 10})
    assert first == {"autoscale": {"min": 1, "max": 10, "cpu": 80}, "replicas": 1}
    app = {**APP, "spec": {**APP["spec"], **first}}
    assert autoscaled(app, {"min": 3})["autoscale"] == {"min": 3, "max": 10, "cpu": 80}
    assert autoscaled(app, {"min": 3})["replicas"] == 3
    assert shown(first["autoscale"]) == "1 to 10 replicas by CPU at 80%"


@pytest.mark.parametrize(
    ("stated", "said"), [({"min": 2}, "Say it with --max"), ({"min": 5, "max": 2}, "less than"), ({"max": 3, "memory": 50}, "limit")]
)
def test_what_the_load_cannot_decide_is_refused(stated: dict[str, int], said: str) -> None:
    with pytest.raises(click.ClickException, match=said):
        autoscaled(APP, stated)


def test_a_number_takes_the_place_of_the_load() -> None:
    app = {**APP, "spec": {**APP["spec"], "autoscale": {"max": 3}}}
    assert patch(app, {"web": 2}) == {"replicas": 2, "autoscale": None}
    assert patch(app, {"worker": 2}) == {"processes": {"worker": {"replicas": 2}}}
