"""What the agent does next, of what is wanted and what is seen."""

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.platform.databases.inside.agent import plan
from pilothouse.platform.databases.inside.agent.disk import MIB, Disk
from pilothouse.platform.databases.inside.agent.plan import Do, Memory, next_step
from pilothouse.platform.databases.inside.agent.process import Ended
from pilothouse.platform.databases.inside.agent.seen import Answer, Replication, Seen, SemiSync
from pilothouse.platform.databases.inside.agent.wanted import Address, Credentials, Seed, Server, Wanted

SOURCE = Address("orders-0", 3306)
CLONE = Seed("clone", "", SOURCE)
ACKNOWLEDGING = SemiSync(False, True, 0, 0, True)
ROOM = Disk(1000 * MIB, 900 * MIB)


def wanted(role: str = "primary", **changes: Any) -> Wanted:
    plain = Wanted(
        digest="d",
        instance="orders",
        uid="u",
        term=2,
        step=0,
        role=role,
        source=None,
        acknowledges=False,
        semi_sync=False,
        graceful=False,
        gate=False,
        drain=False,
        promote_after="",
        handed="",
        seed=None,
        reseed="",
        server=Server("10.11", 256 * MIB, 500, {}),
        accounts=(),
        databases=(),
        dropped=(),
        replication=Credentials("replication", "x"),
        archived=None,
    )
    return replace(plain, **changes)


def following(**changes: Any) -> Replication:
    plain = Replication("orders-0", 3306, True, "Yes", True, "0-17-5", True, "relay.000002", 4, "binlog.000001", 4, 0.0, 0, "", 0, "")
    return replace(plain, **changes)


def answer(**changes: Any) -> Answer:
    plain = Answer("10.11.19", 17, True, "0-17-5", "0-17-5", "0-17-5", SemiSync(False, False, 0, 0, False), None, "", 1, 10)
    return replace(plain, **changes)


def seen(server: Answer | None = None, **changes: Any) -> Seen:
    plain = Seen("ready", 7, True, True, False, None, "replica", True, True, "", True, 0, ROOM, False, server)
    return replace(plain, **changes)


def follower(**changes: Any) -> Wanted:
    return wanted("replica", source=SOURCE, seed=CLONE, **changes)


SAME = Memory("s", "s")


@pytest.mark.parametrize(
    ("order", "sight", "memory", "step"),
    [
        # data and process
        (wanted(), seen(data="empty", pid=0), SAME, Do.WAIT),
        (wanted(seed=Seed("empty", "1", None)), seen(data="empty", pid=0), SAME, Do.SEED),
        (wanted(), seen(pid=0), SAME, Do.START),
        (wanted(), seen(pid=0, can_start=False), SAME, Do.WAIT),
        (wanted(), seen(), SAME, Do.WAIT),
        (wanted(), seen(is_stopping=True), SAME, Do.STOP),
        (wanted(), seen(pid=0, is_stopping=True), SAME, Do.WAIT),
        (wanted("stopped"), seen(), SAME, Do.KILL),
        (wanted("stopped", graceful=True), seen(), SAME, Do.STOP),
        (wanted("stopped"), seen(pid=0, ended=Ended(137, 0)), SAME, Do.DONE),
        # a copy goes on from its own position
        (wanted(), seen(answer(executed=""), copied_at="0-17-5"), SAME, Do.ADOPT),
        # a primary
        (wanted(), seen(answer()), SAME, Do.PROMOTE),
        (wanted(), seen(answer(), mode="primary"), SAME, Do.OPEN),
        (wanted(semi_sync=True), seen(answer(), mode="primary"), SAME, Do.SEMI_SYNC),
        (wanted(), seen(answer(read_only=False), mode="primary"), SAME, Do.DONE),
        (wanted(), seen(answer(read_only=False, init_connect="x"), mode="primary"), SAME, Do.LIFT_GATE),
        (wanted(), seen(answer(replication=following())), SAME, Do.STOP_RECEIVING),
        (wanted(), seen(answer(replication=following(io="No"))), SAME, Do.PROMOTE),
        (wanted(), seen(answer(replication=following(io="No", received="0-17-9"))), SAME, Do.WAIT),
        # what it has received it applies by its file: threads by GTID would begin by forgetting it
        (wanted(), seen(answer(replication=following(io="No", received="0-17-9", sql=False))), SAME, Do.DRAIN),
        (wanted(promote_after="0-17-9"), seen(answer(replication=following(io="No", sql=False))), SAME, Do.WAIT),
        (wanted(), seen(answer(replication=following(io="No", received="0-17-9", by_gtid=False))), SAME, Do.WAIT),
        (wanted(), seen(answer(replication=following(io="No", received="0-17-9", by_gtid=False, sql=False))), SAME, Do.DRAIN),
        (
            wanted(),
            seen(answer(replication=following(io="No", received="0-17-9", by_gtid=False, sql=False, sql_errno=1950))),
            SAME,
            Do.SKIP_IN_DRAIN,
        ),
        (wanted(), seen(answer(replication=following(io="No", by_gtid=False, sql=False))), SAME, Do.PROMOTE),
        (wanted(promote_after="0-17-9"), seen(answer(replication=following(io="No"))), SAME, Do.WAIT),
        (wanted(promote_after="0-17-9"), seen(answer(), mode="primary"), SAME, Do.WAIT),
        # what is handed over is received first
        (wanted(promote_after="0-17-9"), seen(answer(replication=following())), SAME, Do.WAIT),
        (wanted(promote_after="0-17-9"), seen(answer(replication=following(received="0-17-9"))), SAME, Do.STOP_RECEIVING),
        (wanted(), seen(answer(read_only=False), mode="primary", is_full=True), SAME, Do.CLOSE),
        (wanted(), seen(answer(), mode="primary", is_full=True), SAME, Do.WAIT),
        # a primary that is to be one no longer
        (wanted(drain=True), seen(answer(read_only=False), mode="primary"), SAME, Do.END_IDLE),
        (wanted(drain=True), seen(answer(read_only=False), mode="primary"), Memory("s", "s", clients=0), Do.CLOSE),
        (wanted(drain=True), seen(answer(read_only=False), mode="primary"), Memory("s", "s", draining_s=plan.DRAIN_S), Do.CLOSE),
        (wanted(drain=True), seen(answer(), mode="primary"), SAME, Do.DONE),
        (follower(), seen(answer(read_only=False), mode="primary"), SAME, Do.KILL),
        (follower(), seen(mode="primary"), SAME, Do.KILL),
        (follower(), seen(answer(), mode=""), SAME, Do.KILL),
        (follower(graceful=True), seen(answer(read_only=False), mode="primary"), SAME, Do.CLOSE),
        (follower(graceful=True), seen(answer(), mode="primary"), SAME, Do.DEMOTE),
        # a replica
        (follower(), seen(answer()), Memory("", "s"), Do.FOLLOW),
        (follower(), seen(answer(replication=following())), SAME, Do.DONE),
        (follower(), seen(answer(replication=following())), Memory("old", "s"), Do.STOP_RECEIVING),
        (follower(), seen(answer(replication=following(io="No", received="0-17-9"))), Memory("old", "s"), Do.WAIT),
        (follower(), seen(answer(replication=following(io="No"))), Memory("old", "s"), Do.FOLLOW),
        (follower(), seen(answer(replication=following(io="No", io_errno=1236))), SAME, Do.RECEIVE),
        (follower(), seen(answer(replication=following(sql=False))), SAME, Do.RECEIVE),
        (follower(), seen(answer(replication=following(io="Connecting"))), SAME, Do.WAIT),
        (follower(acknowledges=True), seen(answer(replication=following())), SAME, Do.ACKNOWLEDGE),
        (follower(acknowledges=True, handed="0-17-5"), seen(answer(replication=following())), SAME, Do.ACKNOWLEDGE),
        (follower(acknowledges=True, handed="0-17-9"), seen(answer(replication=following())), SAME, Do.WAIT),
        (follower(acknowledges=True, handed="0-17-9"), seen(answer(replication=following(received="0-17-9"))), SAME, Do.ACKNOWLEDGE),
        (follower(acknowledges=True, handed="0-17-9"), seen(answer(replication=following(io="No"))), SAME, Do.RECEIVE),
        (follower(acknowledges=True, handed="0-17-9"), seen(answer(replication=following(), semi_sync=ACKNOWLEDGING)), SAME, Do.DONE),
        (follower(gate=True), seen(answer(replication=following())), SAME, Do.GATE),
        # a fence
        (wanted("replica"), seen(answer(replication=following())), SAME, Do.STOP_RECEIVING),
        (wanted("replica"), seen(answer(replication=following(io="Connecting"))), SAME, Do.STOP_RECEIVING),
        (wanted("replica"), seen(answer(replication=following(io="No"))), SAME, Do.DONE),
        # what was received before a start
        (wanted("replica"), seen(answer(replication=following(io="No", sql=False)), is_drained=False), SAME, Do.DRAIN),
        (follower(), seen(answer(replication=following(io="No", sql=False)), is_drained=False), SAME, Do.DRAIN),
        (wanted(), seen(answer(replication=following(io="No", sql=False)), is_drained=False), SAME, Do.DRAIN),
        (
            follower(),
            seen(answer(replication=following(io="No", by_gtid=False, has_applied_all=False)), is_drained=False),
            SAME,
            Do.WAIT,
        ),
        (follower(), seen(answer(replication=following(io="No", by_gtid=False)), is_drained=False), SAME, Do.LEAVE_DRAIN),
        (
            follower(),
            seen(answer(replication=following(io="No", sql=False, by_gtid=False, sql_errno=1950)), is_drained=False),
            SAME,
            Do.SKIP_IN_DRAIN,
        ),
        (
            follower(),
            seen(answer(replication=following(io="No", sql=False, by_gtid=False, sql_errno=1032)), is_drained=False),
            SAME,
            Do.GIVE_UP_DRAIN,
        ),
        # upkeep comes last
        (follower(), seen(answer(replication=following())), Memory("s", "s", has_tls=False), Do.RELOAD_TLS),
        (follower(), seen(answer(replication=following())), Memory("s", "s", is_tuned=False), Do.TUNE),
        # other data are asked for
        (follower(reseed="a"), seen(answer(replication=following())), SAME, Do.KILL),
        (follower(reseed="a"), seen(pid=0), SAME, Do.DISCARD),
        (follower(reseed="a"), seen(answer(replication=following())), Memory("s", "s", reseeded="a"), Do.DONE),
        (wanted("replica", source=SOURCE, reseed="a"), seen(answer(replication=following())), SAME, Do.DONE),
    ],
)
def test_the_next_step(order: Wanted, sight: Seen, memory: Memory, step: Do) -> None:
    assert next_step(order, sight, memory).do is step


def test_a_member_that_lacks_what_it_should_go_on_from_names_both_positions() -> None:
    step = next_step(wanted(promote_after="0-17-9"), seen(answer(replication=following(io="No"))), SAME)
    assert "0-17-5" in step.error
    assert "0-17-9" in step.error


def test_what_stops_a_promotion_again_and_again_is_said() -> None:
    broken = following(io="No", received="0-17-9", sql=False, sql_errno=1062, sql_error="Duplicate entry")
    for source in (broken, replace(broken, by_gtid=False)):
        step = next_step(wanted(), seen(answer(replication=source)), SAME)
        assert (step.do, step.error) == (Do.DRAIN, "Duplicate entry")


@pytest.mark.parametrize("mode", ["primary", "replica", ""])
@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("order", [follower(), wanted("replica"), wanted("stopped"), follower(graceful=True)])
def test_no_order_but_that_of_a_primary_leads_to_writes(mode: str, read_only: bool, order: Wanted) -> None:
    for server in (answer(read_only=read_only), answer(read_only=read_only, replication=following(io="No"))):
        assert next_step(order, seen(server, mode=mode), SAME).do not in (Do.OPEN, Do.PROMOTE)
