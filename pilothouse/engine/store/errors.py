"""What a store refuses: a write based on a state that is gone, a revision it cannot serve, a disk that does not take the data."""

from pathlib import Path

from pilothouse.engine.store.record import Record


class KeyExists(Exception):
    """A create met an object (perhaps one still on its way to disk)."""

    def __init__(self, current: Record) -> None:
        super().__init__(f"{current.key} exists at revision {current.revision}")
        self.current = current


class Mismatch(Exception):
    """An update or delete was based on another revision than the latest; `current` is None when there is no object."""

    def __init__(self, key: str, expected: int, current: Record | None) -> None:
        found = "is absent" if current is None else f"is at revision {current.revision}"
        super().__init__(f"{key} {found}, the write was based on revision {expected}")
        self.current = current


class Compacted(Exception):
    """The history asked for is no longer kept."""

    def __init__(self, revision: int, compacted: int) -> None:
        super().__init__(f"revision {revision} is compacted away, history is kept from {compacted} on")
        self.revision = revision
        self.compacted = compacted


class FutureRevision(Exception):
    """The revision asked for has not been committed yet."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"revision {revision} lies ahead of the store, which is at {current}")
        self.revision = revision
        self.current = current


class StorageFailed(Exception):
    """The disk did not take a write: nothing of it is visible, and the store goes on with what it had."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The write was not stored: {path}: {why}.")


class StorageFull(StorageFailed):
    def __init__(self, path: Path) -> None:
        super().__init__(path, "no space left on its disk; free some and repeat the write")


class StoreBroken(StorageFailed):
    """What is on the disk is no longer known, or a part that must follow every change cannot.

    Only a new start helps, which reads everything again. Whether the write that met it is kept shows after that start.
    """

    def __init__(self, path: Path, why: str) -> None:
        Exception.__init__(self, f"The store {path} has stopped: {why}. Its process has to be started again.")


class ObjectTooLarge(Exception):
    """Refused before it gets a revision."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"the object takes {size_bytes} bytes, the limit is {limit_bytes}: store less in one object")


class QuotaExceeded(Exception):
    """A create, or an update that makes its object larger, met a full store; deletes pass. The first words are etcd's, known to clients."""

    def __init__(self, used_bytes: int, quota_bytes: int) -> None:
        used, quota = (f"{size / (1 << 20):.0f} MiB" for size in (used_bytes, quota_bytes))
        super().__init__(
            f"etcdserver: mvcc: database space exceeded: all objects take {used} of {quota}; "
            "delete what is not needed, or raise `store_quota_mib` in settings.json and start again"
        )


class StoreBusy(Exception):
    """More writes wait for the disk than the store queues."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} writes are waiting for the disk already; repeat the write later")


class StoreClosed(Exception):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The store {path} is closed.")


class StoreUnusable(Exception):
    """The store cannot be opened; the message is for the person who started the program."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


class StoreCorrupt(StoreUnusable):
    def __init__(self, path: Path, why: str) -> None:
        way_out = f"restore it from a backup, or move {path} and {path}-wal away to start with an empty cluster"
        super().__init__(path, f"The store {path} is damaged ({why}): {way_out}.")


class StoreLocked(StoreUnusable):
    def __init__(self, path: Path, holder: str) -> None:
        by = f"process {holder}" if holder else "another process"
        super().__init__(path, f"The store {path} is in use by {by}: stop that one first, or use another state directory.")


class StoreTooNew(StoreUnusable):
    def __init__(self, path: Path, found: int, known: int) -> None:
        sentence = f"The store {path} has format {found}, this version knows formats up to {known}: use the newer version of Pilothouse."
        super().__init__(path, sentence)
