"""Who may read the Secrets that certain objects name, and no others: the gateway those of its Ingresses, the platform those of its Apps.

RBAC knows names and namespaces, not who names what. As with a node, an object is read by its name; a collection only when it is
narrowed to that name, or to the labels of what the reader has made itself. A "no" is no refusal yet: RBAC is asked next.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object

_READ = ("get", "list", "watch")
_COLLECTIONS = ("list", "watch")


@dataclass(frozen=True, slots=True)
class SecretReader:
    """user: who reads. referrer: group resource of the objects that name Secrets of their own namespace; names: which ones.

    beside, counts: group resource of cluster-wide objects, and whether a referrer counts given these; "" and every one counts.
    made_by_itself: a label selector whose Secrets it may list and watch everywhere, "" for none.
    """

    user: str
    referrer: str
    names: Callable[[Object], Iterable[str]]
    beside: str = ""
    counts: Callable[[Object, Sequence[Object]], bool] = lambda _, __: True
    made_by_itself: str = ""


class _Index:
    """An index (see `follow`): (namespace, Secret) -> the referrers that name it, by their keys."""

    def __init__(self, reader: SecretReader, store: Store) -> None:
        self.reader = reader
        self._store = store
        self._named: dict[str, tuple[tuple[str, str], ...]] = {}
        self._by_secret: dict[tuple[str, str], set[str]] = {}

    def put(self, key: str, value: Object) -> None:
        self.drop(key)
        namespace = value["metadata"]["namespace"]
        named = self._named[key] = tuple({(namespace, name) for name in self.reader.names(value)})
        for each in named:
            self._by_secret.setdefault(each, set()).add(key)

    def drop(self, key: str) -> None:
        for each in self._named.pop(key, ()):
            found = self._by_secret[each]
            found.discard(key)
            if not found:
                del self._by_secret[each]

    def clear(self) -> None:
        self._named.clear()
        self._by_secret.clear()

    def is_named(self, namespace: str, secret: str) -> bool:
        keys = self._by_secret.get((namespace, secret), ())
        if not keys or not self.reader.beside:
            return bool(keys)
        beside = [record.value for record in self._store.scan(f"/{self.reader.beside}/")]
        records = [record for key in keys if (record := self._store.get(key)) is not None]
        return any(self.reader.counts(record.value, beside) for record in records)


class SecretsAuthorizer:
    def __init__(self, store: Store, readers: Iterable[SecretReader]) -> None:
        self._store = store
        self._indexes: dict[str, list[_Index]] = {}
        for reader in readers:
            self._indexes.setdefault(reader.user, []).append(_Index(reader, store))

    def follow(self) -> None:
        """Take in all that names Secrets, and every change from now on."""
        for index in (index for indexes in self._indexes.values() for index in indexes):
            follow(self._store, (f"/{index.reader.referrer}/",), index)

    def decide(self, asked: Attributes) -> tuple[bool, str]:
        """Whether, and why not ("" when it is not this authorizer's question)."""
        if asked.group or asked.resource != "secrets" or asked.subresource or asked.verb not in _READ:
            return False, ""
        indexes = self._indexes.get(asked.user.name)
        if not indexes:
            return False, ""
        if asked.verb in _COLLECTIONS and any(asked.labels == index.reader.made_by_itself for index in indexes if asked.labels):
            return True, ""
        if not asked.namespace or not asked.name:
            return False, "can only read single Secrets"
        if any(index.is_named(asked.namespace, asked.name) for index in indexes):
            return True, ""
        return False, "none of the objects that it serves names this Secret"
