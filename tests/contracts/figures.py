"""What every source of a node's figures promises. A suite for an implementation subclasses it and gives it a `signals` fixture."""

from pilothouse.engine.node.eviction.decide import observe
from pilothouse.engine.node.eviction.evictor import Signals
from pilothouse.engine.node.eviction.thresholds import CONDITIONS


class FiguresContract:
    async def test_every_signal_of_eviction_is_observed_within_its_capacity(self, signals: Signals) -> None:
        for node in (await signals.node(), (await signals.measured(10.0)).node):
            observed = observe(node)
            assert observed.keys() == CONDITIONS.keys()
            assert all(0 <= each.available <= each.capacity for each in observed.values())

    async def test_pods_are_told_apart_by_their_uids(self, signals: Signals) -> None:
        pods = (await signals.measured(10.0)).pods
        assert sorted(pod.uid for pod in pods) == ["uid-a", "uid-b"]

    async def test_two_looks_are_two(self, signals: Signals) -> None:
        assert await signals.measured(10.0) is not await signals.measured(10.0)
