"""For how long something has been as it is."""

from types import SimpleNamespace
from typing import cast

from pilothouse.platform.databases.mysql.actual import Actual
from pilothouse.platform.databases.mysql.parts import Parts
from pilothouse.platform.databases.mysql.round import Round
from pilothouse.platform.databases.mysql.stopwatch import Stopwatch
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.types import MySQLSpec


def test_a_time_begins_with_each_other_value_and_what_is_forgotten_begins_anew() -> None:
    now_s = 0.0
    watch = Stopwatch(lambda: now_s)
    keys = ("shop/orders", "shop/orders orders-0", "shop/orders-2")
    for key in keys:
        watch.same_s(key, True)
    now_s = 5.0
    assert [watch.same_s(key, True) for key in keys] == [5.0] * 3
    assert watch.same_s("shop/orders", False) == 0.0
    watch.forget("shop/orders")
    assert [watch.same_s(key, True) for key in keys] == [0.0, 0.0, 5.0], "its members' are forgotten, another instance's is not"


def test_a_round_knows_for_how_long_a_member_was_not_heard_of() -> None:
    now_s, heard = 0.0, Member("orders-0", 0.1, {"process": "running"})
    found = Round.__new__(Round)
    found.instance, found.key, found.server = {"metadata": {"name": "orders"}}, "shop/orders", None
    found.spec, found.actual = cast("MySQLSpec", SimpleNamespace(replicas=2)), cast("Actual", SimpleNamespace(pods={}))
    reaching = SimpleNamespace(member=lambda key, name, pod: heard if name == "orders-0" else Member(name))
    found.parts = cast("Parts", SimpleNamespace(reaching=reaching, moves=Stopwatch(lambda: now_s)))
    assert [each.silent_s for each in found._members().values()] == [0.0, 0.0]
    now_s = 40.0
    assert [each.silent_s for each in found._members().values()] == [0.0, 40.0]
