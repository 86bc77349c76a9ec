"""What the API server has told since the rules were last brought to it: the latest of each object, so that it never outgrows the cluster.

Filled by the event loop, which hands it over as a whole and begins another one.
"""

from dataclasses import dataclass, field

from pilothouse.model.json import Object


@dataclass(slots=True)
class Backlog:
    """By key; None: the object is gone. pods: with the addresses that this node has given them before their status shows them.

    forgets: nobody watches for pods, namespaces and nodes any more, and those told of before are unknown. refused: policies whose rules
    nftables does not take, and its words.
    """

    nodes: dict[str, Object | None] = field(default_factory=dict)
    namespaces: dict[str, Object | None] = field(default_factory=dict)
    pods: dict[str, tuple[Object | None, tuple[str, ...]]] = field(default_factory=dict)
    policies: dict[str, Object | None] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    forgets: bool = False

    def __bool__(self) -> bool:
        return bool(self.nodes or self.namespaces or self.pods or self.policies or self.forgets)

    def policy(self, key: str, obj: Object | None) -> None:
        """It is another one now, of which nftables has not said anything yet."""
        self.refused.pop(key, None)
        self.policies[key] = obj

    def refuse(self, key: str, obj: Object, words: str) -> None:
        self.policies.setdefault(key, obj)
        self.refused[key] = words

    def forget(self) -> None:
        """What is told after this holds."""
        for told in (self.nodes, self.namespaces, self.pods):
            told.clear()
        self.forgets = True
