"""Which services' rules make nftables refuse a whole table. Blocks: it asks the kernel, which changes nothing."""

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.linux.nft import Nft, NftFailure
from pilothouse.network.service.book import RuleBook
from pilothouse.network.service.config import FamilyConfig
from pilothouse.network.service.plan import Fragment


def culprits(nft: Nft, config: FamilyConfig, fragments: Mapping[str, Fragment], node_addresses: Iterable[str] = ()) -> dict[str, str]:
    """Services without which the table is taken -> nft's words. Empty when it is not for any service's rules that it is refused.

    Bisects: about log2(services) questions a culprit.
    """
    search = _Search(nft, config, fragments, tuple(node_addresses))
    if search.refusal([]):
        return {}
    search.look(list(fragments))
    return search.found


class _Search:
    def __init__(self, nft: Nft, config: FamilyConfig, fragments: Mapping[str, Fragment], node_addresses: tuple[str, ...]) -> None:
        self.found: dict[str, str] = {}
        self._nft = nft
        self._config = config
        self._fragments = fragments
        self._node_addresses = node_addresses
        self._good: list[str] = []

    def look(self, names: Sequence[str]) -> None:
        """Sort the names into good ones and culprits; a service that clashes with a good one is a culprit."""
        refusal = self.refusal([*self._good, *names])
        if not refusal:
            self._good += names
        elif len(names) == 1:
            self.found[names[0]] = refusal
        else:
            middle = len(names) // 2
            self.look(names[:middle])
            self.look(names[middle:])

    def refusal(self, names: Sequence[str]) -> str:
        book = RuleBook(self._config)
        book.put({name: self._fragments[name] for name in names})
        try:
            self._nft.check(book.whole(self._node_addresses))
        except NftFailure as failure:
            return str(failure)
        return ""
