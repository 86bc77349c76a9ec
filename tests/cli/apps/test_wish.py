"""Deployed again: what was asked for stays, what follows from the source follows it, what failed is tried again."""

from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli.apps.origin import ORIGIN
from pilothouse.cli.apps.wish import DERIVED, Prepared, Wish, app, with_generated, with_kept
from pilothouse.model.json import Object

ONE = {"upload": {"repository": "sources/default/shop", "digest": "sha256:" + "1" * 64}}
TWO = {"upload": {"repository": "sources/default/shop", "digest": "sha256:" + "2" * 64}}
WORKER = {"command": ["python", "worker.py"]}


def deployed(before: Object | None = None, place: Object | None = ONE, prepared: Prepared | None = None, **asked: Any) -> Object:
    source = prepared or Prepared(Path("/x"), "FROM a", "", None)
    return app(Wish("/x", "shop", "default", origin="folder here:/x", **asked), source, before, place)


def said(app: Object, kind: str, reason: str) -> Object:
    return app | {"status": {"conditions": [{"type": kind, "status": "False", "reason": reason}]}}


def test_deploying_the_same_again_asks_for_the_same() -> None:
    first = deployed(env={"A": "1"}, secrets={"K": "v"}, hosts=("a.example.org",), health="/up")
    assert deployed(first) == first


def test_how_the_source_is_read_is_kept_until_it_is_taken_off() -> None:
    first = deployed(dockerfile="Dockerfile.prod", target="live")
    wish = with_kept(Wish("/x", "shop", "default"), first)
    assert (wish.dockerfile, wish.target) == ("Dockerfile.prod", "live")
    assert with_kept(Wish("/x", "shop", "default", dockerfile="", target=""), first).dockerfile == ""
    assert "build" not in deployed(first, dockerfile="", target="")["spec"]
    usual = {"spec": {"build": {"dockerfile": "Dockerfile", "target": ""}}}
    assert with_kept(Wish("/x", "shop", "default"), usual).dockerfile is None


def test_a_new_app_gets_a_random_secret_for_what_it_asks_for_and_is_not_given() -> None:
    prepared = Prepared(Path("/x"), "", "", None, generated=("KEY", "SALT"))
    wish = with_generated(Wish("/x", "shop", "default", env={"SALT": "own"}), prepared, None)
    assert list(wish.secrets) == ["KEY"]
    assert len(wish.secrets["KEY"]) == 64
    assert not with_generated(Wish("/x", "shop", "default"), prepared, {"spec": {}}).secrets


def test_a_failed_build_is_tried_again_by_the_next_deploy_and_kept_when_it_is_good() -> None:
    failed = said(deployed(), "Built", "BuildFailed")
    again = deployed(failed)
    assert again["spec"]["attempt"] == 1
    assert deployed(again)["spec"] == again["spec"]
    assert deployed(said(again, "Built", "SourceFailed"))["spec"]["attempt"] == 2


def test_a_failed_build_is_tried_again_though_a_variable_has_changed() -> None:
    assert deployed(said(deployed(), "Built", "BuildFailed"), env={"A": "1"})["spec"]["attempt"] == 1


def test_a_failed_release_is_tried_again() -> None:
    failed = said(deployed(), "Ready", "ReleaseFailed")
    assert deployed(failed)["spec"]["attempt"] == 1
    assert "attempt" not in deployed(failed, env={"A": "1"})["spec"]


def test_a_new_source_begins_anew() -> None:
    forced = deployed(deployed(), force=True)
    assert (forced["spec"]["attempt"], forced["spec"]["build"]) == (1, {"noCache": True})
    assert deployed(forced)["spec"] == forced["spec"]
    assert deployed(forced, TWO)["spec"] == {"source": TWO}


@pytest.mark.parametrize(
    ("git", "attempt"), [({"revision": "main"}, 1), ({}, 1), ({"revision": "1a2b3c4"}, None), ({"commit": "a" * 40}, None)]
)
def test_a_branch_whose_commit_is_not_known_here_is_built_again(git: Object, attempt: int | None) -> None:
    place = {"git": {"url": "https://git.example.org/shop.git", **git}}
    assert deployed(deployed(place=place), place)["spec"].get("attempt") == attempt


def test_what_cannot_be_mended_by_trying_is_not_tried() -> None:
    assert "attempt" not in deployed(said(deployed(), "Built", "NoRegistry"))["spec"]


def test_a_variable_is_in_one_place() -> None:
    plain = deployed(env={"KEY": "1", "B": "2"})
    assert deployed(plain, secrets={"KEY": "x"})["spec"]["env"] == {"B": "2"}
    assert "env" not in deployed(plain, unset=("KEY", "B"))["spec"]


def test_settings_are_taken_off() -> None:
    full = deployed(hosts=("a.example.org",), memory="64Mi", health="/up", dockerfile="other")
    bare = deployed(full, hosts=("",), memory="", health="", dockerfile="")["spec"]
    assert bare == {"source": ONE, "health": {"path": ""}}


def test_processes_follow_the_source_and_keep_their_numbers() -> None:
    first = deployed(prepared=Prepared(Path("/x"), "", "FROM a", None, processes={"web": {}, "worker": WORKER}))
    assert first["metadata"]["annotations"][DERIVED] == "processes"
    first["spec"]["processes"]["worker"]["replicas"] = 3
    changed = Prepared(Path("/x"), "", "FROM a", None, processes={"web": {}, "worker": {"command": ["other"]}, "mail": WORKER})
    assert deployed(first, prepared=changed)["spec"]["processes"] == {
        "web": {},
        "worker": {"command": ["other"], "replicas": 3},
        "mail": WORKER,
    }
    assert "processes" not in deployed(first)["spec"]


def test_processes_that_the_user_wrote_stay() -> None:
    own = {"metadata": {"annotations": {ORIGIN: "x"}}, "spec": {"processes": {"worker": WORKER}}}
    found = deployed(own, prepared=Prepared(Path("/x"), "", "FROM a", None, processes={"web": {}}))
    assert found["spec"]["processes"] == {"worker": WORKER}
    assert DERIVED not in found["metadata"]["annotations"]


def test_a_health_check_of_the_source_is_followed_until_the_user_says_otherwise() -> None:
    checked = Prepared(Path("/x"), "FROM a", "", None, health="/up")
    assert deployed(prepared=checked)["spec"]["health"] == {"path": "/up"}
    assert "health" not in deployed(deployed(prepared=checked))["spec"]
    assert deployed(prepared=checked, health="")["spec"]["health"] == {"path": ""}


def test_defaults_of_variables_are_for_a_new_app() -> None:
    source = Prepared(Path("/x"), "FROM a", "", None, environment={"MODE": "dev"})
    assert deployed(prepared=source, env={"A": "1"})["spec"]["env"] == {"MODE": "dev", "A": "1"}
    assert "env" not in deployed(deployed(), prepared=source)["spec"]


@pytest.mark.parametrize(("stored", "exposed", "kept"), [(8080, None, False), (9000, 9000, False), (3000, 9000, True), (8080, 9000, True)])
def test_the_port_of_an_app_of_the_first_release_is_kept_when_somebody_may_have_set_it(
    stored: int, exposed: int | None, kept: bool
) -> None:
    old = {"metadata": {}, "spec": {"port": stored, "source": ONE}}
    assert ("port" in deployed(old, prepared=Prepared(Path("/x"), "", "", exposed))["spec"]) is kept


def test_no_field_is_empty() -> None:
    stored = {"metadata": {}, "spec": {"image": "", "source": ONE | {"path": ""}, "build": {"dockerfile": "Dockerfile", "inline": ""}}}
    assert deployed(stored)["spec"] == {"source": ONE}


def test_an_app_goes_on_to_scale_with_its_load_until_a_number_is_asked_for() -> None:
    first = deployed()
    first["spec"] |= {"autoscale": {"min": 2, "max": 5}, "replicas": 4}
    again = deployed(first)["spec"]
    assert (again["autoscale"], again["replicas"]) == ({"min": 2, "max": 5}, 4)
    fixed = deployed(first, replicas=3)["spec"]
    assert (fixed.get("autoscale"), fixed["replicas"]) == (None, 3)
