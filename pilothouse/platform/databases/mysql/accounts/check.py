"""What is wrong with a MySQLUser or a MySQLDatabase, each fault as a sentence (pure).

An account has rights on databases of its instance and on nothing that administers the server: with SUPER, READ ONLY ADMIN or a right
on the tables of the database `mysql` it could write to a fenced primary, or make itself root.
Source: MariaDB and MySQL, GRANT (which privileges there are at which level).
"""

from collections.abc import Iterable, Iterator, Sequence

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.accounts.names import (
    SYSTEM_DATABASES,
    account_name,
    database_name,
    instance_of,
    is_system_account,
    reserved_secrets,
    secret_of,
)

ALL = "ALL"
ON_TABLES = frozenset(
    (
        *("ALTER", "CREATE", "CREATE VIEW", "DELETE", "DELETE HISTORY", "DROP", "INDEX", "INSERT", "REFERENCES"),
        *("SELECT", "SHOW VIEW", "TRIGGER", "UPDATE"),
    )
)
ON_DATABASES = ON_TABLES | {"ALTER ROUTINE", "CREATE ROUTINE", "CREATE TEMPORARY TABLES", "EVENT", "EXECUTE", "LOCK TABLES"}
ON_SERVER = frozenset(["BINLOG MONITOR", "PROCESS", "REPLICATION CLIENT", "SHOW DATABASES", "SLAVE MONITOR"])
"""Those that look and change nothing."""
LONGEST_ACCOUNT = {"mariadb": 80, "mysql": 32}


def account_faults(user: Object, flavour: str) -> list[str]:
    """For which there is no account at all."""
    return [*_name_faults(user, flavour), *_secret_faults(user)]


def grant_faults(grants: Iterable[Object]) -> list[str]:
    """Of the rights that nobody is given; the account has the others."""
    return [fault for grant in grants if (fault := _grant_fault(grant))]


def grantable(grant: Object) -> list[str]:
    """The privileges of a grant that are given, sorted."""
    target = grant["target"]
    return [] if _is_of_system(target) else sorted({each for each in grant["privileges"] if _is_known(each, target)})


def database_faults(database: Object) -> list[str]:
    name = database_name(database)
    return [f"database {name} is the server's own: choose another name"] if name.lower() in SYSTEM_DATABASES else []


def _name_faults(user: Object, flavour: str) -> Iterator[str]:
    name, longest = account_name(user), LONGEST_ACCOUNT.get(flavour, 32)
    if is_system_account(name):
        yield f"account {name} is the system's own: choose another name"
    elif name == names.account(instance_of(user)):
        yield f"account {name} is the instance's own: choose another name"
    if len(name) > longest:
        yield f"account {name} has {len(name)} characters and {flavour} takes {longest}: give it a shorter spec.name"


def _secret_faults(user: Object) -> Iterator[str]:
    if secret_of(user) in reserved_secrets(instance_of(user)):
        yield f"the Secret {secret_of(user)} is the instance's own: name another with spec.secret"


def _grant_fault(grant: Object) -> str:
    target = grant["target"]
    if _is_of_system(target):
        return f"database {target.partition('.')[0]} is the server's own, and nobody is given rights on it"
    refused = [each for each in grant["privileges"] if not _is_known(each, target)]
    known = ", ".join(sorted(_known(target)))
    return f"{_listed(refused)} cannot be granted on {target}: {_level(target)} there are {known} and ALL" if refused else ""


def _is_of_system(target: str) -> bool:
    return target.partition(".")[0].lower() in SYSTEM_DATABASES


def _is_known(privilege: str, target: str) -> bool:
    return privilege == ALL or privilege in _known(target)


def _known(target: str) -> frozenset[str]:
    if target == "*":
        return frozenset(ON_DATABASES | ON_SERVER)
    return ON_TABLES if "." in target else frozenset(ON_DATABASES)


def _level(target: str) -> str:
    return "for all databases" if target == "*" else "for a table" if "." in target else "for a database"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def no_password(user: Object) -> str:
    """The sentence for a Secret of somebody's that has no password."""
    return f"the Secret {secret_of(user)} has no key `password`: put one in, or delete it and it is made with a random one"
