"""What a flavour of server must give the agent. What is the same for all flavours is the agent's, and not here.

A dialect is a value whose parts are modules and constants of one folder. Positions are texts that say their own form (`agent.gtid`),
so what compares them needs no dialect.
"""

import re
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pilothouse.platform.databases.inside.agent.objects.rights import Rights
from pilothouse.platform.databases.inside.agent.seen import Answer
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Sql
from pilothouse.platform.databases.inside.agent.wanted import Account, Wanted


@dataclass(frozen=True, slots=True)
class Options:
    """Of the configuration file, by the names of options. group: the section that the server reads.

    defaults: a parameter may change them. fixed: nothing does; they keep promises. sized: of the bytes of the container's memory and of
    the volume. recovery: of a start; its argument says whether recovery may take back what no replica has acknowledged.
    """

    group: str
    defaults: Mapping[str, str]
    fixed: Mapping[str, str]
    sized: Callable[[int, int], Mapping[str, str]]
    recovery: Callable[[bool], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ErrorLog:
    """line: matches one that names an error, which is its group 1. start: a part of the line with which each server begins.

    untruncated: a part of what a server says that cannot take back what nobody has acknowledged, "" where none says so.
    """

    line: re.Pattern[str]
    start: str
    untruncated: str


class Replication(Protocol):
    """The statements that make a server follow another one, cease to, and become the primary. Each raises Unreachable, Refused."""

    def adopt(self, sql: Sql, position: str) -> None:
        """A copy comes without the log of its source: the new log goes on from the position of the copy."""

    def follow(self, sql: Sql, wanted: Wanted, answer: Answer, server_id: int, tls: Path) -> None:
        """From what it has in its own log. One that acknowledges nothing, as when it is far behind, does not wait for its disk."""

    def receive(self, sql: Sql) -> None: ...

    def stop_receiving(self, sql: Sql) -> None: ...

    def acknowledge(self, sql: Sql, wanted: Wanted, data: Path) -> None:
        """Also of a connection that is there. Nothing received is forgotten.

        data: the folder of relay logs: what has been received without acknowledging may be in memory alone, and is synced first.
        """

    def drain(self, sql: Sql, folder: Path, answer: Answer) -> None:
        """Applies what was received before the server's start, or by the source before. folder: the server's.

        Raises OSError, ValueError, too: what was received cannot be read.
        """

    def skip_in_drain(self, sql: Sql) -> None:
        """Past one transaction that is applied already."""

    def leave_drain(self, sql: Sql) -> None: ...

    def demote(self, sql: Sql) -> None:
        """Of a primary that is read only already."""

    def promote(self, sql: Sql, answer: Answer, server_id: int) -> None: ...

    def semi_sync(self, sql: Sql, is_wanted: bool) -> None:
        """Whether commits of a primary wait for an acknowledgement."""

    def open(self, sql: Sql) -> None:
        """Accept writes."""

    def close(self, sql: Sql) -> None:
        """Be read only, for everybody but the agent's own account at most."""


class Copies(Protocol):
    """Data folders: new ones, and live copies as one compressed stream."""

    def make_empty(self, settings: Settings, place: Path) -> None:
        """The system's tables and the one account of the agent, let in over the socket alone. Raises Failed, OSError."""

    def give(self, settings: Settings) -> Generator[bytes]:
        """A live copy. Raises Failed, at the end too: what came before is worth nothing then."""

    def unpack(self, place: Path) -> Sequence[str]:
        """The program that makes files of the stream, which it reads without its compression."""

    def prepare(self, place: Path, log: IO[bytes]) -> None:
        """Makes what was unpacked a folder that a server can be started on. Raises Failed."""

    def position(self, place: Path) -> str:
        """Of the copy in the replication, where the data do not have it themselves; else ""."""

    def dump(self, settings: Settings) -> Sequence[str]:
        """The program that gives all databases as SQL of one moment, with the position in a comment."""

    def log_as_text(self, logs: Iterable[Path]) -> Sequence[str]:
        """The program that gives logs of changes as SQL with comments."""


class Accounts(Protocol):
    """Logins and rights."""

    RESERVED: frozenset[str]
    """Accounts that are the system's: no order may make or drop them."""
    REPLICATION: tuple[str, ...]
    """Rights of the account of replicas: one must come in when clients that wait for its acknowledgement have taken all connections."""

    def login_statements(self, sql: Sql, account: Account) -> Sequence[str]:
        """What makes the login as it is wanted; nothing when it is so. Raises Unreachable, Refused."""

    def found_rights(self, sql: Sql, name: str) -> Rights:
        """Raises Unreachable, Refused."""

    def why_not_now(self, sql: Sql) -> str:
        """Why no account may be changed at the moment; "" when one may. Raises Unreachable, Refused."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """program: the server. look: asks it what it is, with statements that answer while commits wait; raises Unreachable, Refused.

    reload_tls: the statement that takes the certificate that is mounted now. position: gives the server's position, and by which name its
    own transactions are in there, "" where none has one, in one row. report: readies a session that tells a primary from where on it wants
    the log. gate: an `init_connect` that waits until the server accepts writes. variables: name, value and is_numeric of the settings whose
    names the parameter lists. end_idle: ends those of the sessions that still do nothing.

    take_back: before a start as a replica, takes out of data that were the primary's what the new primary's position has not; None where
    the server's own recovery does so. Its number is the term. Raises OSError, ValueError, and may take seconds. keeps_received: what a
    replica has received outlives its server by itself. follows_anybody: the server does not notice that it has transactions that its
    source has not.
    """

    program: str
    options: Options
    error_log: ErrorLog
    look: Callable[[Sql], Answer]
    replication: Replication
    copies: Copies
    accounts: Accounts
    reload_tls: str
    position: str
    report: str
    gate: str
    variables: str
    end_idle: Callable[[Sql, Collection[int]], None]
    take_back: Callable[[Settings, int, str], None] | None
    keeps_received: bool
    follows_anybody: bool
