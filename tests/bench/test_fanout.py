"""When a watcher has seen a write."""

from bench.rig.fanout import Watcher, summary


def test_a_name_cut_in_two_is_still_seen() -> None:
    watcher = Watcher(2)
    watcher(b'{"type":"ADDED","object":{"metadata":{"name":"fan-0"}}}\n{"type":"ADDED","object":{"metadata":{"na')
    assert not watcher.done.is_set()
    watcher(b'me":"fan-1"}}}\n')
    assert watcher.done.is_set()


def test_the_first_sight_of_a_write_counts() -> None:
    watcher = Watcher(1)
    watcher(b'"name":"fan-0"')
    first = watcher.seen[0]
    watcher(b'"name":"fan-0"')
    assert watcher.seen == {0: first}


def test_the_last_watcher_of_each_write_is_told_apart() -> None:
    figures = summary([1.0, 2.0], [0.01, 0.01], [{0: 1.001, 1: 2.002}, {0: 1.003, 1: 2.004}])
    assert figures["write_to_last_watcher"]["max"] == 4.0
    assert figures["write_to_each_watcher"]["n"] == 4
