"""The document with which the operator says what a member is to be."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.platform.databases.inside.agent.fields import Fields, Malformed
from pilothouse.platform.databases.inside.agent.gtid import check

ROLES = ("primary", "replica", "stopped")
SEEDS = ("empty", "clone", "pushed")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Seed:
    """Where data come from. kind: `empty`, `clone` (of the agent at `source`) or `pushed` (by a job). id: of one request for data."""

    kind: str
    id: str
    source: Address | None


@dataclass(frozen=True, slots=True)
class Server:
    """memory_bytes, cpu_millis: what the container has. parameters: the server's own settings by name."""

    version: str
    memory_bytes: int
    cpu_millis: int
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """on: `*`, a database, or a table as `database.table`."""

    privileges: tuple[str, ...]
    on: str


@dataclass(frozen=True, slots=True)
class Account:
    """old_password: another one that is valid too, "" for none. require: `ssl`, or `x509` for a certificate of the client's own.

    version: of the entry, told back when it is carried out.
    """

    name: str
    password: str
    old_password: str
    grants: tuple[Grant, ...]
    max_connections: int
    require: str
    version: str


@dataclass(frozen=True, slots=True)
class Database:
    """collation: "" for the character set's own."""

    name: str
    character_set: str
    collation: str
    version: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """kind: `account` or `database`."""

    kind: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """By which a replica reads its source's log. old_password: another one that a primary lets in too, "" for none.

    version: of the password, told back by a replica that follows with it.
    """

    user: str
    password: str
    old_password: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """digest: of the document as it came. archived: a position, None where nothing is archived.

    The other fields are those of the document; docs/reference/database-agent.md has them.
    """

    digest: str
    instance: str
    uid: str
    term: int
    step: int
    role: str
    source: Address | None
    acknowledges: bool
    semi_sync: bool
    graceful: bool
    gate: bool
    drain: bool
    promote_after: str
    handed: str
    seed: Seed | None
    reseed: str
    server: Server
    accounts: tuple[Account, ...]
    databases: tuple[Database, ...]
    dropped: tuple[Dropped, ...]
    replication: Credentials | None
    archived: str | None


def digest(text: bytes) -> str:
    """Of a document's canonical JSON: keys in order, no spaces."""
    canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def source_digest(wanted: Wanted) -> str:
    """Of the source and the account with which it is read; "" where there is none."""
    if wanted.source is None or wanted.replication is None:
        return ""
    parts = (wanted.source.host, str(wanted.source.port), wanted.replication.user, wanted.replication.password)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def parse(text: bytes) -> Wanted:
    """Raises Malformed, which names the field."""
    fields = Fields.parse(text)
    if fields.part("source") is not None and fields.part("replication") is None:
        raise Malformed("replication is missing: a replica needs an account for its source")
    role = _one_of(fields.text("role"), "role", ROLES)
    return Wanted(
        digest=digest(text),
        instance=fields.text("instance"),
        uid=fields.text("uid"),
        term=fields.number("term"),
        step=fields.number("step", 0),
        role=role,
        source=_address(fields.part("source")),
        acknowledges=fields.flag("acknowledges"),
        semi_sync=fields.flag("semi_sync"),
        graceful=fields.flag("graceful"),
        gate=fields.flag("gate"),
        drain=fields.flag("drain"),
        promote_after=_position(fields.text("promote_after", ""), "promote_after"),
        handed=_position(fields.text("handed", ""), "handed"),
        seed=_seed(fields.part("seed")),
        reseed=fields.text("reseed", ""),
        server=_server(fields.part("server")),
        accounts=tuple(_account(each) for each in fields.parts("accounts")),
        databases=tuple(_database(each) for each in fields.parts("databases")),
        dropped=tuple(_dropped(each) for each in fields.parts("dropped")),
        replication=_credentials(fields.part("replication")),
        archived=_archived(fields.part("archive")),
    )


def _one_of(value: str, name: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise Malformed(f"{name} is {value!r} and not one of {', '.join(allowed)}")
    return value


def _position(text: str, name: str) -> str:
    try:
        check(text)
    except ValueError as error:
        raise Malformed(f"{name} is {text!r}, which is no position such as 0-17-55, or SERVER:1-55") from error
    return text


def _address(fields: Fields | None) -> Address | None:
    return Address(fields.text("host"), fields.number("port")) if fields else None


def _credentials(fields: Fields | None) -> Credentials | None:
    if fields is None:
        return None
    return Credentials(fields.text("user"), fields.text("password"), fields.text("old_password", ""), fields.text("version", ""))


def _archived(fields: Fields | None) -> str | None:
    return _position(fields.text("position", ""), "archive.position") if fields else None


def _seed(fields: Fields | None) -> Seed | None:
    if fields is None:
        return None
    kind = _one_of(fields.text("kind"), "seed.kind", SEEDS)
    return Seed(kind, fields.text("id", ""), _address(fields) if kind == "clone" else None)


def _server(fields: Fields | None) -> Server:
    if fields is None:
        raise Malformed("server is missing")
    return Server(fields.text("version", ""), fields.number("memory_bytes"), fields.number("cpu_millis"), fields.pairs("parameters"))


def _account(fields: Fields) -> Account:
    return Account(
        name=fields.text("name"),
        password=fields.text("password"),
        old_password=fields.text("old_password", ""),
        grants=tuple(Grant(each.texts("privileges"), each.text("on")) for each in fields.parts("grants")),
        max_connections=fields.number("max_connections", 0),
        require=_one_of(fields.text("require", "ssl"), "require", ("ssl", "x509")),
        version=fields.text("version", ""),
    )


def _database(fields: Fields) -> Database:
    return Database(fields.text("name"), fields.text("character_set", "utf8mb4"), fields.text("collation", ""), fields.text("version", ""))


def _dropped(fields: Fields) -> Dropped:
    return Dropped(_one_of(fields.text("kind"), "kind", ("account", "database")), fields.text("name"), fields.text("version", ""))
