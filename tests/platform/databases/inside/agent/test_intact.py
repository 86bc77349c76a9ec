"""What a member tells of a server that has lost what it had received, or could not take back what it had written."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pilothouse.platform.databases.inside.agent.carry import Carrier
from pilothouse.platform.databases.inside.agent.marks import Marks
from pilothouse.platform.databases.inside.agent.memory import Memory
from pilothouse.platform.databases.inside.agent.observe import Observer
from pilothouse.platform.databases.inside.agent.plan import Do
from pilothouse.platform.databases.inside.agent.process import Process
from pilothouse.platform.databases.inside.agent.seed import copy
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Row, Sql
from tests.platform.databases.inside.agent.test_parts import parsed, settings

SOURCE = {"host": "orders-1.members", "port": 3306}
REPLICATION = {"user": "replica", "password": "p", "version": "1"}


class Server(Sql):
    """A replica of MySQL's that has received more than it has applied and can apply no more. It takes no source."""

    def __init__(self) -> None:
        self.has_source = True

    @property
    def peer(self) -> int:
        return 0

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        if statement.startswith("SHOW REPLICA"):
            return [FOLLOWING] if self.has_source else []
        if statement.startswith("SHOW GLOBAL STATUS"):
            return []
        if statement.startswith("CHANGE"):
            raise Refused(1794, "it is not configured properly")
        names = ("server_id", "read_only", "rpl_semi_sync_source_enabled", "rpl_semi_sync_replica_enabled")
        return [{"version": "8.0.46", "server_uuid": UUID, "gtid_executed": f"{UUID}:1-3", "init_connect": ""} | dict.fromkeys(names, 0)]

    def run(self, *statements: str) -> None:
        self.has_source = self.has_source and "RESET REPLICA ALL" not in statements


UUID = "aaaaaaaa-1111-2222-3333-444444444444"
FOLLOWING: Row = {
    "Source_Host": "orders-0.members",
    "Source_Port": 3306,
    "Seconds_Behind_Source": None,
    "Replica_IO_Running": "No",
    "Replica_SQL_Running": "No",
    "Retrieved_Gtid_Set": f"{UUID}:1-9",
    "Replica_SQL_Running_State": "",
    "Relay_Log_File": "",
    "Relay_Log_Pos": 0,
    "Source_Log_File": "",
    "Read_Source_Log_Pos": 0,
    "Last_IO_Errno": 0,
    "Last_IO_Error": "",
    "Last_SQL_Errno": 1062,
    "Last_SQL_Error": "Duplicate entry",
}


class Running:
    """A process whose number is told."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def pid(self) -> int:
        return self._pid

    def has_supervisor(self) -> bool:
        return True

    def can_start(self) -> bool:
        return False

    def is_stopping(self) -> bool:
        return False


def place(tmp_path: Path) -> Settings:
    """With a folder of data that lack nothing."""
    made = replace(settings(tmp_path), flavour="mysql", run=tmp_path)
    made.mysql.mkdir(parents=True)
    return made


def test_what_was_lost_is_remembered_without_a_source_and_by_the_next_server(tmp_path: Path) -> None:
    """It is lost when the server forgets its source; what is told to it next may not come."""
    here, marks, server = place(tmp_path), Marks(tmp_path), Server()
    marks.set("drained", 7, "yes")
    wanted = parsed(role="replica", source=SOURCE, replication=REPLICATION)
    looks = [Observer(here, cast("Process", Running(pid)), server, marks, lambda: None) for pid in (7, 8)]
    process = cast("Process", Running(7))
    carrier = Carrier(here, process, server, marks, Memory(here.memory), lambda: None)
    seen = looks[0].look(wanted)
    assert seen.is_intact
    carrier._is_of_one_history = lambda wanted, answer: True  # type: ignore[method-assign]
    with pytest.raises(Refused):
        carrier.carry(Do.FOLLOW, wanted, seen)
    assert not server.has_source
    assert not looks[0].look(wanted).is_intact
    assert not looks[1].look(wanted).is_intact, "the server has ended meanwhile, and another one has started"
    copy.has_caught_up(here)
    assert looks[1].look(wanted).is_intact


def test_a_server_that_answers_is_not_kept_from_starting_by_what_it_cannot_take_back(tmp_path: Path) -> None:
    here, marks, server = place(tmp_path), Marks(tmp_path), Server()
    carrier = Carrier(here, cast("Process", Running(7)), server, marks, Memory(here.memory), lambda: None)
    seen = Observer(here, cast("Process", Running(7)), server, marks, lambda: None).look(None)
    carrier.untruncated = True
    carrier.note(replace(seen, answer=None))
    assert carrier.untruncated
    carrier.note(seen)
    assert not carrier.untruncated
