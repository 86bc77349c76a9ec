"""Finds the policies whose rules the kernel does not take, so that they alone are not carried out. Blocks."""

from collections.abc import Iterator, Sequence

from pilothouse.linux.nft import Nft, NftFailure
from pilothouse.network.policy.book import Book
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.frame import frame
from pilothouse.network.policy.world import World

MOST_CHECKS = 200


def refused(nft: Nft, config: NetworkPolicyConfig, world: World, *, can_reset: bool) -> dict[str, str]:
    """Key of each policy that nft refuses, and its words; {} when none of them alone is at fault. Halves until it has them."""
    search = _Search(nft, config, world, can_reset)
    return dict(search.find(world.policies)) if search.fault([]) is None else {}


class _Search:
    def __init__(self, nft: Nft, config: NetworkPolicyConfig, world: World, can_reset: bool) -> None:
        self._nft, self._world = nft, world
        self._table = f"inet {config.table}-check"
        sets = Book(config).declared(world)
        self._frame = "\n".join((*frame(config, can_reset=can_reset), *sets)).replace(f"inet {config.table} ", f"{self._table} ")
        self._frame = self._frame.replace(f"add table inet {config.table}\n", f"add table {self._table}\n")
        self._checks = 0

    def find(self, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
        words = self.fault(keys)
        if words is None:
            return
        if len(keys) == 1:
            yield keys[0], words
            return
        half = len(keys) // 2
        yield from self.find(keys[:half])
        yield from self.find(keys[half:])

    def fault(self, keys: Sequence[str]) -> str | None:
        """What nft says of the rules of these policies; None when it takes them, or has been asked too often."""
        self._checks += 1
        if self._checks > MOST_CHECKS:
            return None
        chains = {name: lines for key in keys for name, lines in self._world.alone(key).items()}
        commands = [f"add chain {self._table} {name}" for name in chains]
        commands += [f"add rule {self._table} {name} {line}" for name, lines in chains.items() for line in lines]
        try:
            self._nft.check("\n".join((self._frame, *commands)) + "\n")
        except NftFailure as failure:
            return str(failure)
        return None
