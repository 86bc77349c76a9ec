"""How often a node says which policies it carries out: a condition is a write of its Node."""

from pilothouse.model.policy_progress import joined, mark, read
from pilothouse.model.policy_refusals import ENFORCED, progress
from pilothouse.network.policy import Gate, NetworkPolicies
from pilothouse.network.policy.backlog import Backlog
from pilothouse.network.policy.state import State
from pilothouse.network.policy.table import Table
from tests.network.cluster import FakeCluster
from tests.network.policy.test_state import of_cluster, told
from tests.network.policy.test_world import CONFIG


class FakeTable:
    """Takes everything, as a table that no policy has to be in."""

    is_whole = False

    async def take(self, state: State, told: Backlog) -> None:
        state.take(told)

    async def clear(self) -> None:
        pass


async def test_while_policies_change_what_is_carried_out_is_said_at_once_and_then_with_each_look_alone() -> None:
    said: list[tuple[str, str]] = []
    policies = NetworkPolicies(
        FakeCluster().informers(), CONFIG, Gate(lambda: False), say=lambda type, is_so, reason, message: said.append((type, message))
    )
    table: Table = FakeTable()  # type: ignore[assignment]
    for generation in range(1, 101):
        policies._told = told(policies=[of_cluster("p", generation)])
        assert await policies._apply(table)
    assert [type for type, _ in said] == [ENFORCED]
    policies._say_in_force()
    policies._say_in_force()
    assert [read(progress(message)) for _, message in said] == [joined([mark(of_cluster("p", number))]) for number in (1, 100)]
