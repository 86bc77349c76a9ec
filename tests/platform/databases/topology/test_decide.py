"""Who becomes primary, in a world where orders go astray, operators die between two writes and servers come back."""

import random
from dataclasses import replace

import pytest

from pilothouse.platform.databases.mysql.topology import failover, switchover
from pilothouse.platform.databases.mysql.topology.errant import has_errant
from pilothouse.platform.databases.mysql.topology.findings import findings
from pilothouse.platform.databases.mysql.topology.labels import primary_of
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment
from pilothouse.platform.databases.mysql.topology.orders import orders
from pilothouse.platform.databases.mysql.topology.standing import Move, Standing
from pilothouse.platform.databases.mysql.topology.switchover import PATIENCE_S, PAUSE_S
from pilothouse.platform.databases.mysql.topology.wish import Wish
from tests.platform.databases.topology.world import Operator, World


def started(replicas: int = 3, seed: int = 0) -> World:
    world = World(replicas, seed)
    world.settle(15)
    world.write_some()
    world.settle(5)
    return world


def reasons(world: World) -> list[str]:
    members = world.operators[0].members()
    return [each.reason for each in findings(Wish.of(world.instance), Standing.of(world.status), members)]


def logs(world: World) -> list[list[int]]:
    return [[each.token for each in server.log + server.relay] for server in world.servers.values()]


def is_whole(world: World) -> bool:
    return world.primary.writable and world.primary.process == "running" and all(log == logs(world)[0] for log in logs(world))


def is_whole_or_named(world: World) -> bool:
    """A primary of some terms ago may have what nobody else has: it is named, and left alone."""
    members = world.operators[0].members()
    named = [name for name in members if has_errant(Standing.of(world.status), members, members[name])]
    same = [log for server, log in zip(world.servers, logs(world), strict=True) if server not in named]
    return world.primary.writable and all(log == same[0] for log in same) and (not named or "Errant" in reasons(world))


def test_a_single_member_begins_empty_and_is_primary() -> None:
    world = started(1)
    assert (world.status["primary"], world.status["seeded"], world.labelled) == ("orders-0", "orders-0", "orders-0")
    assert len(world.acknowledged) == 5


def test_three_members_begin_and_are_durable() -> None:
    world = started()
    assert world.status["durable"] is True
    assert sorted(world.status["acknowledging"]) == ["orders-1", "orders-2"]
    assert is_whole(world)


def test_nothing_is_begun_before_every_member_was_heard() -> None:
    world = World(3)
    world.kill_pod("orders-2")
    world.settle(5)
    assert not world.status.get("primary")
    assert reasons(world) == ["Starting"]


def test_a_missing_volume_is_no_beginning() -> None:
    world = started(1)
    world.kill_server("orders-0")
    world.servers["orders-0"].data = "empty"
    world.settle(5)
    assert world.servers["orders-0"].data == "empty"
    assert "PrimaryAway" in reasons(world)


def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica() -> None:
    world = started()
    world.insert("orders-0")
    world.kill_server("orders-0")
    world.settle(10)
    assert world.status["primary"] != "orders-0"
    assert world.status["move"]["kind"] == "failover"
    assert world.servers["orders-0"].role == "replica"
    assert is_whole(world)
    assert not world.lost()


def test_a_single_member_that_was_killed_is_started_in_its_place() -> None:
    world = started(1)
    world.kill_server("orders-0")
    world.settle(3)
    assert world.primary.writable
    assert world.status["term"] == 1
    assert not world.lost()


def test_a_primary_in_a_partition_acknowledges_nothing_once_another_one_writes() -> None:
    world = started()
    world.cut_off("orders-0")
    for _ in range(12):
        world.insert("orders-0")
        world.pass_time()
    assert world.status["primary"] != "orders-0"
    assert world.primary.writable
    assert world.servers["orders-0"].writable
    before = len(world.acknowledged)
    world.insert("orders-0")
    world.replicate()
    assert len(world.acknowledged) == before
    world.heal()
    world.settle(10)
    assert is_whole(world)
    assert not world.lost()


def test_orders_of_an_operator_that_has_not_heard_of_the_new_term_are_refused() -> None:
    world = started()
    late = Operator(world)
    late.listen()
    world.cut_off("orders-0")
    world.settle(9)
    world.heal()
    late.round()
    assert world.status["primary"] != "orders-0"
    assert "orders-0" not in [server.source for server in world.servers.values()]


def test_a_primary_that_only_the_operator_does_not_reach_stays() -> None:
    world = started()
    world.cut.add(frozenset(("operator", "orders-0")))
    world.settle(20)
    assert world.status["primary"] == "orders-0"
    assert world.labelled == "orders-0"


def test_all_that_died_together_come_back_with_everything() -> None:
    world = started()
    for name in world.servers:
        world.insert("orders-0")
        world.replicate()
        world.kill_pod(name)
    world.settle(10)
    world.heal()
    world.settle(10)
    assert is_whole(world)
    assert not world.lost()


def test_replicas_that_restarted_do_not_take_over_before_they_have_caught_up() -> None:
    world = started()
    world.write_some(1)
    for name in world.servers:
        world.kill_pod(name)
    for name in ("orders-1", "orders-2"):
        world.pod_returns(name)
    world.settle(20)
    assert world.status["primary"] == "orders-0"
    assert "PrimaryAway" in reasons(world)
    world.heal()
    world.settle(10)
    assert is_whole(world)
    assert not world.lost()


def test_force_takes_what_is_left() -> None:
    world = started()
    world.kill_pod("orders-0")
    world.kill_pod("orders-2")
    world.settle(20)
    assert world.status["primary"] == "orders-0"
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "force": True})
    world.settle(5)
    assert world.status["primary"] == "orders-1"
    world.heal()
    world.settle(10)
    assert world.status["primary"] == "orders-1"


def test_a_switchover_hands_everything_over() -> None:
    world = started()
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "to": "orders-2"})
    world.settle(6)
    assert (world.status["primary"], world.labelled) == ("orders-2", "orders-2")
    assert world.status["move"]["readOnlySeconds"] is not None
    assert world.status["switchedAt"] == "2026-01-01T00:00:00Z"
    assert is_whole(world)
    assert not world.lost()
    world.kill_server("orders-2")
    world.settle(10)
    assert world.status["primary"] != "orders-2"
    assert not world.lost()


def test_a_switchover_is_not_repeated_after_a_failover() -> None:
    world = started()
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "to": "orders-2"})
    world.settle(6)
    world.kill_server("orders-2")
    world.settle(20)
    assert world.status["primary"] != "orders-2"


def test_a_switchover_to_a_member_that_is_not_there_waits_and_says_so() -> None:
    world = started()
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "to": "orders-7"})
    world.settle(6)
    assert world.status["primary"] == "orders-0"
    assert "NoSuchMember" in reasons(world)


def test_a_switchover_that_gets_no_further_is_given_up() -> None:
    world = started()
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "to": "orders-2"})
    world.operators[0].read()
    world.pass_time()
    world.cut.add(frozenset(("operator", "orders-2")))
    world.settle(40)
    assert world.status["primary"] == "orders-0"
    assert world.primary.writable
    assert "given up" in world.status["move"]["message"]


def test_one_that_was_given_up_is_tried_again_after_a_pause_for_a_member_that_leaves() -> None:
    world = started()
    world.cut.add(frozenset(("operator", "orders-1")))
    world.cut.add(frozenset(("operator", "orders-2")))
    world.leaving.add("orders-0")
    begun = set()
    for _ in range(240):
        world.pass_time()
        begun.add((world.status.get("move") or {}).get("startedAt"))
    assert len(begun - {None}) <= 120 / (PATIENCE_S + PAUSE_S) + 1


def test_clocks_of_operators_that_differ_end_no_switchover() -> None:
    world = started()
    other = Operator(world)
    other.ahead_s = 3600.0
    world.operators.append(other)
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "to": "orders-2"})
    world.settle(9)
    assert (world.status["primary"], world.status["move"]["message"]) == ("orders-2", "")


def test_a_word_of_a_drain_that_was_given_up_hands_nothing_over() -> None:
    """More may have been written since."""
    standing = Standing(term=3, primary="orders-0", acknowledging=("orders-1",), seeded="orders-0", step=9, waits=True)
    standing = replace(standing, move=Move(source="orders-0", target="orders-1", started_at="2026-01-01T00:00:00Z", drains=True))
    running = {"process": "running", "answers": True, "term": 3, "role": "replica"}
    for step, primary in ((8, "orders-0"), (9, "orders-1")):
        told = {"acknowledges": False, "step": step}
        source = Member("orders-0", 0.1, running | {"drained": True, "told": told, "gtid": {"executed": "0-1-7"}})
        found = switchover.step(Wish("orders", 2), standing, {"orders-0": source, "orders-1": Member("orders-1", 0.1, running)}, Moment(""))
        assert found.primary == primary


def test_a_new_primary_that_dies_before_it_has_what_it_was_handed_comes_back_with_no_less() -> None:
    move = Move(source="orders-0", target="orders-1", started_at="2026-01-01T00:00:00Z", handed="0-1-7", drains=True)
    standing = Standing(term=3, primary="orders-1", acknowledging=("orders-0",), seeded="orders-0", durable=True, move=move)
    electing = failover.begun(standing, "2026-01-01T00:00:09Z")
    old = Member("orders-1", 0.1, {"process": "ended", "data": "ready", "term": 3})
    again = failover.elected(electing, {"orders-1": old, "orders-0": Member("orders-0")})
    assert again.primary == "orders-1"
    assert orders(Wish("orders", 2), again, {"orders-1": old})["orders-1"].promote_after == "0-1-7"


def test_a_primary_whose_clients_have_all_connections_stays() -> None:
    world = started()
    members = world.operators[0].members()
    full = Member("orders-0", 0.1, dict(members["orders-0"].state or {}) | {"answers": False, "refuses": True, "writable": False})
    standing = Standing.of(world.status)
    assert failover.why_lost(standing, members | {"orders-0": full}) == ""
    assert primary_of(standing, members | {"orders-0": full}) == "orders-0"


@pytest.mark.parametrize("replicas", [3, 5])
def test_an_old_primary_of_some_terms_ago_is_copied_anew_where_nobody_had_acknowledged_what_it_has(replicas: int) -> None:
    world = started(replicas)
    world.cut_off("orders-0")
    world.insert("orders-0")
    world.kill_waiting("orders-0")
    world.settle(16)
    second = world.status["primary"]
    world.write_some()
    world.settle(10)
    world.ask(switchover={"at": "2026-01-01T00:00:00Z"})
    world.settle(16)
    assert world.status["primary"] not in ("orders-0", second)
    assert world.status["passedOver"] == ["orders-0"]
    world.write_some()
    world.heal()
    world.settle(20)
    assert is_whole(world)
    assert world.status["passedOver"] == []
    assert not world.lost()


def test_after_a_choice_that_was_forced_nobody_gives_up_data_unasked() -> None:
    """What an old primary has may be the only copy of what was acknowledged."""
    world = started()
    world.cut_off("orders-2")
    world.write_some(3)
    world.kill_pod("orders-0")
    world.kill_pod("orders-1")
    world.cut.clear()
    world.settle(10)
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "force": True})
    world.settle(6)
    world.servers["orders-2"].semi_sync = False
    world.write_some(1)
    world.heal()
    world.settle(20)
    assert world.status["passedOver"] == []
    assert not any(server.reseeded for server in world.servers.values())
    assert "Errant" in reasons(world)


def test_a_member_that_may_have_acknowledged_leaves_that_list_before_its_data_go() -> None:
    world = started()
    world.ask(reseed={"member": "orders-1", "at": "2026-01-01T00:00:00Z"})
    for _ in range(40):
        world.pass_time(0.1)
        if world.servers["orders-1"].reseeded:
            break
        assert "orders-1" in world.status["acknowledging"] or world.servers["orders-1"].data == "ready"
    assert world.servers["orders-1"].reseeded
    assert "orders-1" not in world.status["acknowledging"]


def test_a_primary_whose_pod_goes_hands_over_first() -> None:
    world = started()
    world.leaving.add("orders-0")
    world.settle(8)
    assert world.status["primary"] != "orders-0"
    assert not world.lost()


def test_growth_from_one_to_three_and_back() -> None:
    world = started(1)
    world.grow(3)
    world.settle(10)
    assert world.status["durable"] is True
    world.write_some()
    world.kill_server("orders-0")
    world.settle(10)
    assert not world.lost()
    world.grow(1)
    world.settle(10)
    assert world.status["primary"] == "orders-0"
    assert (world.status["durable"], world.status["acknowledging"]) == (False, [])
    world.write_some()
    assert world.primary.waiting == 0
    assert not world.lost()


def test_writes_that_wait_for_a_replica_are_named() -> None:
    world = started()
    world.kill_pod("orders-1")
    world.kill_pod("orders-2")
    world.settle(10)
    assert "NoAcknowledgement" in reasons(world)


def test_a_member_with_transactions_of_its_own_is_named_and_left_alone() -> None:
    world = started()
    stray = world.servers["orders-1"]
    world.write_some(1)
    world.stray("orders-1")
    world.write_some(2)
    world.settle(6)
    assert "Errant" in reasons(world)
    assert stray.data == "ready"
    world.ask(reseed={"member": "orders-1", "at": "2026-01-01T00:00:00Z"})
    world.settle(10)
    assert is_whole(world)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_acknowledged_is_lost_whatever_happens(seed: int) -> None:
    world = started(random.Random(seed).choice([1, 2, 3, 3, 3, 4, 5, 5]), seed)
    _unkind(world, seed)
    for _ in range(60):
        for name in world.servers:
            if world.random.random() < 0.7:
                world.insert(name)
        _mishap(world)
        world.pass_time(world.random.choice([0.05, 0.3, 1.0, 3.5]), cut_off=world.random.choice([0.0, 0.0, 0.3]))
    world.heal()
    world.leaving.clear()
    world.settle(60)
    assert not world.lost()
    assert is_whole_or_named(world), (world.status, [server.state() for server in world.servers.values()])


@pytest.mark.parametrize("seed", range(30))
def test_nothing_acknowledged_is_lost_while_an_instance_grows(seed: int) -> None:
    world = started(1, seed)
    world.grow(3)
    _unkind(world, seed)
    for _ in range(30):
        for name in world.servers:
            world.insert(name)
        if world.random.random() < 0.5:
            _mishap(world)
        world.pass_time(world.random.choice([0.05, 0.3, 3.5]), cut_off=0.2)
    world.heal()
    world.leaving.clear()
    world.settle(60)
    assert not world.lost()
    assert is_whole_or_named(world)


def _unkind(world: World, seed: int) -> None:
    """Two operators in each other one, whose clocks differ."""
    if seed % 2:
        world.operators.append(Operator(world))
        world.operators[1].ahead_s = world.random.choice([-3600.0, 0.0, 3600.0])
    world.is_slow = True
    world.starts_s, world.copies_s = (0.0, 0.3, 4.0, 14.0), (0.0, 0.5, 5.0)
    world.stale = world.random.choice([0.0, 0.3, 0.7])
    world.late = world.random.choice([0.0, 0.2, 0.5])


def _mishap(world: World) -> None:
    names = list(world.servers)
    name = world.random.choice(names)
    roll = world.random.random()
    if roll < 0.10:
        world.kill_server(name)
    elif roll < 0.13:
        world.kill_pod(name)
    elif roll < 0.30:
        world.pod_returns(name)
    elif roll < 0.34:
        world.cut_off(name)
    elif roll < 0.38:
        world.cut.add(frozenset((name, world.random.choice([*({*names} - {name}), "operator"]))))
    elif roll < 0.55:
        world.cut.clear()
    elif roll < 0.60:
        world.ask(switchover={"at": f"2026-01-01T00:00:00.{world.tokens:06}Z", "to": name})
    elif roll < 0.63:
        world.leaving ^= {name}
    elif roll < 0.64:
        for each in names:
            world.kill_pod(each)
    elif roll < 0.70:
        world.servers[name].agent_restarts()
    elif roll < 0.74:
        world.hang(name, mute=world.happens(0.5))
    elif roll < 0.86:
        world.wake(name)
    elif roll < 0.89:
        world.servers[name].is_full = not world.servers[name].is_full
    elif roll < 0.92:
        world.kill_waiting(name)
    elif roll < 0.94:
        world.purge(name)
    elif roll < 0.95:
        world.leaving.clear()


def test_a_new_primary_that_dies_before_the_rest_has_what_it_had_is_waited_for() -> None:
    """Transactions that it alone had acknowledged before it was chosen are on its disk, and on that of the old primary."""
    world = started()
    world.cut |= {frozenset(("orders-0", "orders-2")), frozenset(("orders-1", "orders-2"))}
    world.write_some(3)
    world.kill_pod("orders-0")
    for _ in range(14):
        world.pass_time(0.3)
    assert (world.status["primary"], world.status["durable"]) == ("orders-1", False)
    world.kill_pod("orders-1")
    world.settle(10)
    assert world.status["primary"] == "orders-1"
    assert "PrimaryAway" in reasons(world)
    world.heal()
    world.settle(10)
    assert is_whole(world)
    assert not world.lost()


def test_a_reseed_of_the_primary_is_refused_and_does_not_lie_in_wait() -> None:
    world = started()
    world.ask(reseed={"member": "orders-0", "at": "2026-01-01T00:00:00Z"})
    world.settle(3)
    assert "ReseedRefused" in reasons(world)
    world.ask(switchover={"at": "2026-01-02T00:00:00Z", "to": "orders-2"})
    world.settle(10)
    assert (world.status["primary"], world.servers["orders-0"].reseeded) == ("orders-2", "")


def test_a_reseed_is_carried_out_once() -> None:
    world = started()
    world.ask(reseed={"member": "orders-1", "at": "2026-01-01T00:00:00Z"})
    world.settle(10)
    assert (world.servers["orders-1"].reseeded, world.status["reseededAt"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert is_whole(world)
    members = world.operators[0].members()
    assert orders(Wish.of(world.instance), Standing.of(world.status), members)["orders-1"].reseed == ""


def test_volumes_with_data_and_no_memory_of_them_wait_for_a_word() -> None:
    world = started()
    for name in world.servers:
        world.kill_pod(name)
        world.pod_returns(name)
    world.instance["status"] = {}
    world.settle(10)
    assert not world.status.get("primary")
    assert "NewestUnknown" in reasons(world)
    world.ask(switchover={"at": "2026-01-01T00:00:00Z", "to": "orders-0", "force": True})
    world.settle(10)
    assert world.status["primary"] == "orders-0"


def test_a_replica_that_is_ahead_of_what_a_dead_primary_said_last_keeps_its_data() -> None:
    """It was the primary before; what the dead one acknowledged since it was heard last may be only there."""
    world = started()
    world.kill_server("orders-0")
    world.settle()
    world.write_some()
    world.settle(5)
    status, members = world.status, world.operators[0].members()
    primary = status["primary"]
    said = dict(members[primary].state or {})
    world.write_some()
    ahead = dict(world.servers["orders-0"].state())
    ahead["replication"] = ahead["replication"] | {"io": False}
    seen = members | {primary: Member(primary, 2.9, said), "orders-0": Member("orders-0", 0.1, ahead)}
    told = orders(Wish.of(world.instance), Standing.of(status), seen)
    assert status["move"]["source"] == "orders-0"
    assert told["orders-0"].reseed == ""


def test_a_server_that_hangs_counts_as_ended() -> None:
    world = started()
    members = world.operators[0].members()
    hung = dict(members["orders-0"].state or {}) | {"process": "starting", "answers": False, "unanswered_s": 11.0}
    standing = Standing.of(world.status)
    assert failover.why_lost(standing, members) == ""
    assert failover.why_lost(standing, members | {"orders-0": Member("orders-0", 0.1, hung)}) == "has a server that does not answer"


def test_of_replicas_that_have_the_same_the_one_that_applies_it_is_chosen() -> None:
    world = started()
    members = world.operators[0].members()
    broken = dict(members["orders-1"].state or {})
    broken["replication"] = broken["replication"] | {"sql": False, "errno": 1062}
    voters = [Member("orders-1", 0.1, broken), members["orders-2"]]
    assert failover.best_of(voters) is members["orders-2"]


def test_a_new_primary_is_told_what_it_must_have_applied() -> None:
    world = started()
    world.write_some(3)
    world.kill_server("orders-0")
    for _ in range(3):
        world.pass_time(0.1)
    status = world.status
    told = orders(Wish.of(world.instance), Standing.of(status), world.operators[0].members())[status["primary"]]
    assert told.promote_after.endswith(f"-{len(world.acknowledged)}")
