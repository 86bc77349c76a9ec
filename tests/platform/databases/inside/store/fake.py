"""A store in memory, for tests of what stands on one. It keeps the contract."""

import io
from collections.abc import Iterator

from pilothouse.platform.databases.inside.store.seam import Entry, Missing, Reader


class FakeStore:
    """things: by name."""

    def __init__(self) -> None:
        self.things: dict[str, bytes] = {}

    def write(self, name: str) -> "FakeWriter":
        return FakeWriter(self.things, name)

    def read(self, name: str) -> Reader:
        if name not in self.things:
            raise Missing(name)
        return io.BytesIO(self.things[name])

    def entries(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        return iter([Entry(name, len(data)) for name, data in sorted(self.things.items()) if name.startswith(prefix) and name > after])

    def delete(self, name: str) -> None:
        self.things.pop(name, None)

    def tidy(self, prefix: str) -> None:
        """What is not finished is nowhere."""


class FakeWriter:
    def __init__(self, things: dict[str, bytes], name: str) -> None:
        self._things, self._name, self._data = things, name, bytearray()

    def write(self, data: bytes, /) -> None:
        self._data += data

    def commit(self) -> None:
        self._things[self._name] = bytes(self._data)

    def abort(self) -> None:
        self._data.clear()
