"""When accounts and databases are seen to again, with a server that refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from pilothouse.platform.databases.inside.agent.dialects.seam import Accounts
from pilothouse.platform.databases.inside.agent.objects.apply import Outcome
from pilothouse.platform.databases.inside.agent.objects.keeper import AGAIN_AT_MOST_S, AGAIN_S, Keeper
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Sql, Unreachable
from pilothouse.platform.databases.inside.agent.wanted import Wanted

NOBODY = cast("Settings", SimpleNamespace(socket=Path("/nowhere"), user="mysql", flavour="mariadb"))


@dataclass(frozen=True)
class Order:
    """What the keeper reads of an order."""

    accounts: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    replication: None = None


def silent(server: Accounts, sql: Sql, wanted: Wanted, before: Mapping[str, Outcome]) -> dict[str, Outcome]:
    raise Unreachable("it does not answer")


def refusing(server: Accounts, sql: Sql, wanted: Wanted, before: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {"account/late": Outcome("1", "waits for that table", partial=True, waits=True)}


def over(keeper: Keeper) -> None:
    """Wait for the end of what it does; `see_to` reaps it."""
    job = keeper._job
    assert job is not None
    job._thread.join()


def test_a_server_that_does_not_answer_is_asked_again_with_longer_and_longer_pauses() -> None:
    keeper, order, now_s, begun = Keeper(NOBODY, lambda: None, silent), cast("Wanted", Order()), 0.0, []
    while now_s < 400.0:
        assert not keeper.see_to(order, 1, now_s)
        if keeper._job is not None:
            begun.append(now_s)
            over(keeper)
        now_s += 1.0
    pauses = [after - before for before, after in pairwise(begun)]
    assert pauses[0] >= AGAIN_S
    assert pauses == sorted(pauses)
    assert AGAIN_AT_MOST_S <= pauses[-1] <= AGAIN_AT_MOST_S + 2
    assert keeper.error


def test_another_order_is_seen_to_at_once() -> None:
    keeper = Keeper(NOBODY, lambda: None, silent)
    keeper.see_to(cast("Wanted", Order()), 1, 0.0)
    over(keeper)
    assert not keeper.see_to(cast("Wanted", Order(accounts=("other",))), 1, 0.1)
    assert keeper._job is not None
    over(keeper)


def test_what_was_refused_counts_as_seen_to_and_is_tried_again() -> None:
    keeper, order = Keeper(NOBODY, lambda: None, refusing), cast("Wanted", Order())
    assert not keeper.see_to(order, 1, 0.0)
    over(keeper)
    assert keeper.see_to(order, 1, 0.1)
    assert keeper._job is None
    assert keeper.see_to(order, 1, 0.1 + AGAIN_S), "the order stays carried out while it is tried again"
    over(keeper)
    assert keeper.outcomes["account/late"].waits
