"""A new password of replication, step by step, and through a controller with three members."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import rotation, tls
from pilothouse.platform.databases.mysql.accounts.rotation import KEEP_OWN_S, ROTATED_AT
from pilothouse.platform.databases.mysql.rotation import NEXT, OLD, Progress
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.resource import MYSQLS
from tests.platform.databases.live import instance, operated, says, serves

NOW_S = 1_800_000_000.0
ASKED = "2026-11-30T12:00:00Z"
KEY = "replication-password"
STANDING = Standing(term=1, primary="orders-0", acknowledging=("orders-1", "orders-2"), seeded="orders-0", waits=True, durable=True)


def secret(**data: str) -> Object:
    return {"metadata": {"name": "orders-system"}, "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def turned(
    found: Object, *, let_in: bool = False, lacking: tuple[str, ...] = (), now_s: float = NOW_S, asked: str = ASKED
) -> Object | None:
    return rotation.turned(found, Progress(asked, let_in, lacking), now_s, lambda: b"new")


def content(found: Object | None) -> dict[str, str]:
    assert found is not None
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def member(name: str, account: bytes = b"", **more: object) -> Member:
    state = {"process": "running", "answers": True, "data": "ready"} | more
    followed = {"io": True, "sql": True, "source": "orders-0.orders-members.default.svc", "account": rotation.version(account)}
    return Member(name, 0.1, state | {"replication": followed if name != "orders-0" else None})


def members(first: bytes, second: bytes) -> Mapping[str, Member]:
    return {each.name: each for each in (member("orders-0"), member("orders-1", first), member("orders-2", second))}


def test_the_primary_lets_the_new_password_in_before_anybody_uses_it() -> None:
    begun = turned(secret(**{KEY: "now"}))
    assert content(begun) == {KEY: "now", NEXT: "new"}
    assert begun is not None
    assert turned(begun) is None, "the primary has not said that it has carried it out"
    told = rotation.credentials(tls.files(begun), is_new=True)
    assert (told["password"], told["old_password"]) == ("now", "new")


def test_then_replicas_take_it_and_the_old_one_ends_when_all_have_it_and_its_hour_is_over() -> None:
    begun = turned(secret(**{KEY: "now"}))
    assert begun is not None
    used = turned(begun, let_in=True)
    assert content(used) == {KEY: "new", OLD: "now"}
    assert used is not None
    assert turned(used, lacking=("orders-2",), now_s=NOW_S + 2 * KEEP_OWN_S) is None
    assert turned(used, now_s=NOW_S + KEEP_OWN_S - 1) is None
    assert content(turned(used, now_s=NOW_S + KEEP_OWN_S)) == {KEY: "new"}


def test_it_is_done_once_for_each_time_that_asks() -> None:
    done = secret(**{KEY: "now"})
    done["metadata"]["annotations"] = {ROTATED_AT: ASKED}
    assert turned(done) is None
    assert turned(done, asked="") is None
    assert content(turned(done, asked="2026-12-01T12:00:00Z")) == {KEY: "now", NEXT: "new"}


@pytest.mark.parametrize("mark", [{}, {"databases.pilothouse.dev/changed-at": "yesterday"}])
def test_of_a_secret_that_does_not_say_when_it_was_changed_the_hour_begins_now(mark: dict[str, str]) -> None:
    found = secret(**{KEY: "new", OLD: "now"})
    found["metadata"]["annotations"] = {ROTATED_AT: ASKED} | mark
    assert rotation.said(found, Progress(ASKED, is_let_in=True, lacking=())) == ("True", "Rotated", "")
    marked = turned(found)
    assert content(marked) == {KEY: "new", OLD: "now"}
    assert marked is not None
    assert turned(marked, now_s=NOW_S + KEEP_OWN_S - 1) is None
    assert content(turned(marked, now_s=NOW_S + KEEP_OWN_S)) == {KEY: "new"}


def test_replicas_take_it_one_after_the_other() -> None:
    system = {KEY: b"new", OLD: b"now"}
    assert rotation.with_new(system, STANDING, members(b"now", b"now")) == {"orders-0", "orders-1"}
    assert rotation.with_new(system, STANDING, members(b"new", b"now")) == {"orders-0", "orders-1", "orders-2"}
    away = {**members(b"new", b"now"), "orders-1": member("orders-1", b"new", answers=False)}
    assert rotation.with_new(system, STANDING, away) == {"orders-0", "orders-1"}, "the one that has it follows again first"


def test_none_ceases_to_receive_while_a_commit_would_wait_for_it_alone() -> None:
    alone = {**members(b"now", b"now"), "orders-2": member("orders-2", b"now", answers=False)}
    assert rotation.with_new({KEY: b"new", OLD: b"now"}, STANDING, alone) == {"orders-0", "orders-2"}
    gone = {**members(b"now", b"now"), "orders-2": Member("orders-2")}
    assert rotation.with_new({KEY: b"new", OLD: b"now"}, STANDING, gone) == {"orders-0", "orders-2"}


@pytest.mark.parametrize(
    ("data", "asked", "expected"),
    [
        ({KEY: "now", NEXT: "new"}, ASKED, "has yet to let in the new password"),
        ({KEY: "new", OLD: "now"}, ASKED, "orders-2 has yet to follow"),
        ({KEY: "new", OLD: "now"}, "2026-12-01T12:00:00Z", "the next rotation begins then"),
    ],
)
def test_what_a_rotation_waits_for_is_said(data: dict[str, str], asked: str, expected: str) -> None:
    found = secret(**data)
    found["metadata"]["annotations"] = {ROTATED_AT: ASKED, "databases.pilothouse.dev/changed-at": ASKED}
    said = rotation.said(found, Progress(asked, is_let_in=False, lacking=["orders-2"]))
    assert said is not None
    assert said[0] == "False"
    assert expected in said[2]


async def test_three_members_follow_with_a_new_password_and_the_primary_let_it_in_first(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance(replicas=3))
        await cluster.until_one(MYSQLS, "orders", lambda obj: serves(obj) and obj["status"].get("durable"))
        before = tls.files(await cluster.get(kinds.SECRETS, "orders-system"))[KEY].decode()
        del nodes.orders[:]
        await cluster.patch(MYSQLS, "orders", {"spec": {"rotatedAt": ASKED}})
        found = await cluster.until_one(MYSQLS, "orders", says("Rotated", "Rotated"))
        after = tls.files(await cluster.get(kinds.SECRETS, "orders-system"))
        new = after[KEY].decode()
        assert new != before
        assert after[OLD].decode() == before
        assert "ends at" in (meta.condition(found, "Rotated") or {})["message"]
        used = [(name, each["replication"]["password"], each["replication"]["old_password"]) for name, each in nodes.orders]
        firsts = {each: used.index((each, new, before)) for each in ("orders-1", "orders-2")}
        let_in = next(at for at, (who, _, beside) in enumerate(used) if who == "orders-0" and beside == new)
        assert let_in < min(firsts.values())
        assert all(nodes.agents[name].wanted["replication"]["password"] == new for name in firsts)
