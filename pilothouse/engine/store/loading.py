"""From the log on disk to the state in memory: one pass over the rows, oldest first."""

from pilothouse.engine.store.database import Database, Row
from pilothouse.engine.store.history import History, Limits
from pilothouse.engine.store.record import Change, ChangeType, Decoded, Record
from pilothouse.engine.store.shelves import Shelves


def load(database: Database, limits: Limits, decoded: Decoded) -> tuple[Shelves, History, int]:
    """Returns the current objects, the changes still kept, and the highest revision ever given away."""
    database.verify()
    revision, compacted = database.marks()
    history = History(limits, compacted)
    current: dict[str, Record] = {}
    for row in database.rows():
        change = _replay(row, current, decoded)
        change.retire()
        if row.revision > compacted:
            history.append(change)
        revision = max(revision, row.revision)
    shelves = Shelves()
    for record in current.values():
        shelves.put(record)
    return shelves, history, revision


def _replay(row: Row, current: dict[str, Record], decoded: Decoded) -> Change:
    previous = current.get(row.key)
    key = row.key if previous is None else previous.key
    record = Record(key, row.revision, row.created, row.value, decoded=decoded)
    if row.deleted:
        current.pop(key, None)
    else:
        current[key] = record
    return Change(_type(row), record, previous, row.at)


def _type(row: Row) -> ChangeType:
    if row.deleted:
        return "DELETED"
    return "ADDED" if row.revision == row.created else "MODIFIED"
