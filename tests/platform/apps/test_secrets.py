"""Secrets of an app: a changed value is a new state, and a revision keeps the values of its time."""

from pilothouse.model import meta
from pilothouse.platform.apps.objects import fingerprint
from pilothouse.platform.apps.secrets import HOLD_S, WRITTEN_WITH, copy_of
from tests.platform.apps.life import NOW, Life, app


def copy_name(number: int, app_name: str = "shop") -> str:
    return f"keys-{fingerprint([app_name, 'keys'])}-{number}"


def reads(life: Life) -> list[str]:
    deployment = life.one("Deployment")
    assert deployment is not None
    return [each["secretRef"]["name"] for each in deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"]]


def with_secret(**data: str) -> Life:
    life = Life(app(image="web:1", secrets=["keys"]))
    life.secret("keys", **data)
    life.settle()
    life.roll()
    life.settle()
    return life


def test_a_changed_value_is_a_new_revision_that_reads_a_new_copy() -> None:
    life = with_secret(TOKEN="b25l")
    assert reads(life) == [copy_name(1)]
    life.secret("keys", TOKEN="dHdv")
    life.settle()
    assert reads(life) == [copy_name(2)]
    assert life.condition("Ready") == ("False", "RollingOut")
    assert (life.status["revision"], life.status["revisions"][-1]["changed"]) == (2, "secrets")


def test_going_back_to_old_values_is_going_back_to_the_revision() -> None:
    life = with_secret(TOKEN="b25l")
    for value in ("dHdv", "b25l"):
        life.secret("keys", TOKEN=value)
        life.settle()
    assert reads(life) == [copy_name(1)]
    assert [r["number"] for r in life.status["revisions"]] == [2, 3]


def test_copies_that_no_kept_revision_reads_are_removed() -> None:
    life = with_secret(TOKEN="b25l")
    life.change(history=2)
    for value in ("YQ==", "Yg==", "Yw=="):
        life.secret("keys", TOKEN=value)
        life.settle()
    assert sorted(meta.name(s) for s in life.of("Secret") if copy_of(s)) == [copy_name(3), copy_name(4)]


def test_a_secret_that_does_not_exist_is_named_to_the_pod_which_says_so() -> None:
    life = Life(app(image="web:1", secrets=["keys"]))
    life.settle()
    assert reads(life) == ["keys"]
    life.secret("keys", TOKEN="b25l")
    life.settle()
    assert reads(life) == [copy_name(1)]


def test_nothing_that_can_be_read_without_the_right_to_secrets_is_made_of_a_value() -> None:
    one, two = with_secret(PIN="MTIzNA=="), with_secret(PIN="OTg3Ng==")
    shown = [{key: obj for key, obj in life.objects.items() if key[0] != "Secret"} for life in (one, two)]
    assert shown[0] == shown[1]


def test_the_status_says_which_secrets_it_speaks_of() -> None:
    life = with_secret(TOKEN="b25l")
    assert life.status["observedSecrets"] == [{"name": "keys", "resourceVersion": "1"}]


def test_a_secret_that_is_written_with_its_app_waits_for_it_and_both_are_one_revision() -> None:
    life = with_secret(TOKEN="b25l")
    life.secret("keys", TOKEN="dHdv")
    life.objects["Secret", "keys"]["metadata"]["annotations"] = {WRITTEN_WITH: NOW}
    assert life.settle().again_s == HOLD_S
    assert (reads(life), life.status["observedSecrets"]) == ([copy_name(1)], [])
    life.app["metadata"]["annotations"] = {WRITTEN_WITH: NOW}
    life.change(env={"MODE": "live"})
    life.settle()
    assert [(r["number"], r.get("changed")) for r in life.status["revisions"]] == [(1, None), (2, "env MODE, secrets")]


def test_a_secret_whose_app_never_comes_is_taken_after_a_while() -> None:
    life = with_secret(TOKEN="b25l")
    life.secret("keys", TOKEN="dHdv")
    life.objects["Secret", "keys"]["metadata"]["annotations"] = {WRITTEN_WITH: NOW}
    life.now = "2026-01-01T00:00:11Z"
    life.settle()
    assert reads(life) == [copy_name(2)]


def test_two_apps_that_read_one_secret_have_copies_of_their_own() -> None:
    shop, blog = Life(app(image="web:1", secrets=["keys"])), Life(app(image="web:1", secrets=["keys"]))
    blog.app["metadata"]["name"] = "blog"
    for life in (shop, blog):
        life.secret("keys", TOKEN="b25l")
        life.settle()
    assert {name for _, name in shop.objects} & {name for _, name in blog.objects} == {"keys"}
