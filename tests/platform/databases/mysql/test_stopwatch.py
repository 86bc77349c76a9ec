"""For how long something has been as it is."""

from pilothouse.platform.databases.mysql.stopwatch import Stopwatch


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
