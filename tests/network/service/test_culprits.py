"""Finding the services for which nftables refuses a table."""

import pytest

from pilothouse.linux.nft import NftFailure
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.culprits import culprits
from pilothouse.network.service.plan import Fragment

CONFIG = ServiceProxyConfig(instance="t", node="here", local_cidrs=("10.244.0.0/24",), service_cidrs=("10.96.0.0/12",))


class PickyNft:
    """Refuses what has one of the words in it, and what has both of a clashing pair."""

    def __init__(self, *words: str, clash: tuple[str, str] = ("", "")) -> None:
        self.words = words
        self.clash = clash
        self.asked = 0

    def run(self, commands: str) -> str:
        raise AssertionError("nothing may be changed")

    def check(self, commands: str) -> None:
        self.asked += 1
        if any(word in commands for word in self.words) or all(word and word in commands for word in self.clash):
            raise NftFailure("syntax error")


def services(count: int) -> dict[str, Fragment]:
    return {f"ns/{n}": Fragment(chains={f"chain-{n}-": ("accept",)}) for n in range(count)}


@pytest.mark.parametrize("bad", [(), (0,), (99,), (3, 4, 50)])
def test_exactly_the_bad_ones_are_found_with_few_questions(bad: tuple[int, ...]) -> None:
    nft = PickyNft(*(f"chain-{n}-" for n in bad))
    assert set(culprits(nft, CONFIG.families[0], services(100))) == {f"ns/{n}" for n in bad}
    assert nft.asked <= 2 + 16 * max(1, len(bad))


def test_of_two_that_clash_one_is_left_out() -> None:
    found = culprits(PickyNft(clash=("chain-2-", "chain-7-")), CONFIG.families[0], services(10))
    assert found == {"ns/7": "syntax error"}


def test_a_table_that_is_refused_without_any_service_has_no_culprit() -> None:
    assert culprits(PickyNft("add table"), CONFIG.families[0], services(5)) == {}
