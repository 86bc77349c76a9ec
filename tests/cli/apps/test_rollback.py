from typing import Any

import click
import pytest

from pilothouse.cli.apps.rollback import restored, rows, target_of
from pilothouse.model.json import Object

NOW = 1_770_000_000.0


def kept(number: int, **more: Any) -> Object:
    return {"number": number, "image": "127.0.0.1:5000/apps/default/shop@sha256:" + "a" * 64, "createdAt": "2026-02-02T01:40:00Z", **more}


def shop(*numbers: int, current: int) -> Object:
    return {"metadata": {"name": "shop"}, "status": {"revision": current, "revisions": [kept(n) for n in numbers]}}


def test_revisions_are_listed_newest_first_with_what_changed_and_a_mark() -> None:
    shown = rows([kept(1), kept(2, changed="env MODE", served=False)], 2, NOW)
    assert shown == [["*", 2, "1h", "no", "env MODE", f"shop@{'a' * 12}", None], [" ", 1, "1h", "-", None, f"shop@{'a' * 12}", None]]


def test_back_is_the_revision_before_this_one() -> None:
    assert target_of(shop(1, 3, 4, current=4), None) == 3
    assert target_of(shop(1, 3, 4, current=4), 1) == 1


def test_back_leads_past_revisions_that_never_served() -> None:
    app = shop(1, 3, 4, current=4)
    app["status"]["revisions"][1]["served"] = False
    assert target_of(app, None) == 1
    assert target_of(app, 3) == 3
    app["status"]["revisions"][0]["served"] = False
    with pytest.raises(click.ClickException, match=r"no revision before 4 of shop was ever ready; .* --to NUMBER`.*: 1, 3"):
        target_of(app, None)


@pytest.mark.parametrize(
    ("app", "number", "said"),
    [
        (shop(1, current=1), None, "shop cannot go back to an earlier revision: only revision 1 is kept"),
        (shop(1, current=1), 7, "to revision 7: only revision 1"),
        (shop(1, 2, current=2), 2, "is the current one"),
        (shop(1, 2, current=2), 9, "revision 9 of shop is not kept; kept are: 1"),
        (shop(current=0), None, "no revision is kept yet"),
    ],
)
def test_a_revision_that_cannot_be_gone_back_to_is_refused_with_those_that_can(app: Object, number: int | None, said: str) -> None:
    with pytest.raises(click.ClickException, match=said):
        target_of(app, number)


def test_numbers_of_replicas_and_hosts_stay_and_all_else_goes_back() -> None:
    now = {"replicas": 4, "hosts": ["x"], "image": "web:2", "env": {"A": "1"}, "processes": {"worker": {"command": ["b"], "replicas": 3}}}
    back = {"image": "web:1", "processes": {"worker": {"command": ["a"]}, "mail": {}}}
    assert restored(now, back) == {
        "replicas": 4,
        "hosts": ["x"],
        "image": "web:1",
        "processes": {"worker": {"command": ["a"], "replicas": 3}, "mail": {}},
    }
