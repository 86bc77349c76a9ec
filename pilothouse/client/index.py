"""Finding the objects of a cache by a value other than their key."""

from collections.abc import Callable, Iterable

from pilothouse.model.json import Object

IndexKeys = Callable[[Object], Iterable[str]]


class Index:
    """values_of: the values under which an object is to be found. Keeps the order in which keys came."""

    def __init__(self, values_of: IndexKeys) -> None:
        self._values_of = values_of
        self._keys: dict[str, dict[str, None]] = {}
        self._values: dict[str, tuple[str, ...]] = {}

    def keys(self, value: str) -> list[str]:
        return list(self._keys.get(value, ()))

    def put(self, key: str, obj: Object) -> None:
        values = tuple(self._values_of(obj))
        if values == self._values.get(key, ()):
            return
        self.drop(key)
        if values:
            self._values[key] = values
            for value in values:
                self._keys.setdefault(value, {})[key] = None

    def drop(self, key: str) -> None:
        for value in self._values.pop(key, ()):
            keys = self._keys.get(value, {})
            keys.pop(key, None)
            if not keys:
                self._keys.pop(value, None)
