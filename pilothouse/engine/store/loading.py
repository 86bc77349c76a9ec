"""From the log on disk to the state in memory: one pass over the rows, oldest first."""

from dataclasses import dataclass

from pilothouse.engine.store.database import Database, Row
from pilothouse.engine.store.history import History, Limits
from pilothouse.engine.store.record import Change, ChangeType, Decoded, Record
from pilothouse.engine.store.sealing import SealError, Sealing, SealUnusable
from pilothouse.engine.store.shelves import Shelves


@dataclass(slots=True)
class Loaded:
    """revision: the highest ever given away. is_stale: whether something is not sealed in today's way.

    is_unpurged: whether the file may hold, outside of its rows, what was stored in another way.
    """

    shelves: Shelves
    history: History
    revision: int
    decoded: Decoded
    is_stale: bool
    is_unpurged: bool


def load(database: Database, limits: Limits, sealing: Sealing) -> Loaded:
    """The current objects and the changes that are still kept. Raises StoreUnusable."""
    database.verify()
    revision, compacted = database.marks()
    history = History(limits, compacted)
    current: dict[str, Record] = {}
    decoded, is_stale = Decoded(), False
    for row in database.rows():
        is_stale = is_stale or not sealing.is_current(row.key, row.value)
        change = _replay(_opened(row, database, sealing), current, decoded)
        change.retire()
        if row.revision > compacted:
            history.append(change)
        revision = max(revision, row.revision)
    if is_stale:
        database.leave_traces()
    shelves = Shelves()
    for record in current.values():
        shelves.put(record)
    return Loaded(shelves, history, revision, decoded, is_stale, is_stale or database.owes_purge())


def _opened(row: Row, database: Database, sealing: Sealing) -> Row:
    try:
        return row._replace(value=sealing.open(row.key, row.revision, row.value))
    except SealError as error:
        raise SealUnusable(database.path, str(error)) from error


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
