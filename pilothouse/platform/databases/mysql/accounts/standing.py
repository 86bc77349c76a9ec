"""Which of the objects that name an instance count, and why the others do not (pure).

Two objects may mean the same account, or the same database: the older one counts. One that is being deleted counts no more, and what
it stood for is dropped unless another one stands for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.accounts import check
from pilothouse.platform.databases.mysql.accounts.names import (
    PASSWORD,
    account_name,
    database_name,
    secret_of,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an object is not carried out, for its Ready condition."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """users, databases: those that count, by their names in the server. faults: of the others that live, by uid."""

    users: Mapping[str, Object] = field(default_factory=dict)
    databases: Mapping[str, Object] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)


def standing(instance: Object, users: Sequence[Object], databases: Sequence[Object], secrets: Mapping[str, Object]) -> Standing:
    """users, databases: of the instance, in any order. secrets: those that users name, as far as they exist."""
    flavour = instance["spec"].get("flavour", "mariadb")
    faults: dict[str, Fault] = {}

    def of_user(user: Object) -> Fault | None:
        return _fault(check.account_faults(user, flavour)) or _password_fault(user, secrets)

    def of_database(database: Object) -> Fault | None:
        return _fault(check.database_faults(database)) or _own_database(instance, database)

    counted_users = _counted(users, account_name, of_user, faults)
    counted_databases = _counted(databases, database_name, of_database, faults)
    return Standing(counted_users, counted_databases, faults)


def _counted(
    objects: Iterable[Object], name_of: Callable[[Object], str], fault_of: Callable[[Object], Fault | None], faults: dict[str, Fault]
) -> dict[str, Object]:
    found: dict[str, Object] = {}
    holders: dict[str, Object] = {}
    for obj in oldest_first(each for each in objects if not meta.is_deleting(each)):
        name = name_of(obj)
        holder = holders.setdefault(name, obj)
        fault = _taken(holder, name) if holder is not obj else fault_of(obj)
        if fault is None:
            found[name] = obj
        else:
            faults[meta.uid(obj)] = fault
    return found


def oldest_first(objects: Iterable[Object]) -> list[Object]:
    """By their names those of one second."""
    return sorted(objects, key=lambda obj: (str(obj["metadata"].get("creationTimestamp") or ""), meta.name(obj)))


def _taken(holder: Object, name: str) -> Fault:
    kind = holder["kind"]
    what = "account" if kind == "MySQLUser" else "database"
    return Fault("NameTaken", f"{what} {name} is already that of the older {kind} {meta.name(holder)}: choose another spec.name")


def _fault(sentences: Sequence[str]) -> Fault | None:
    return Fault("Refused", "; ".join(sentences)) if sentences else None


def _password_fault(user: Object, secrets: Mapping[str, Object]) -> Fault | None:
    secret = secrets.get(secret_of(user))
    if secret is None or (secret.get("data") or {}).get(PASSWORD):
        return None
    return Fault("NoPassword", check.no_password(user))


def _own_database(instance: Object, database: Object) -> Fault | None:
    if database_name(database) != names.database(instance):
        return None
    return Fault("NameTaken", f"database {database_name(database)} is the instance's own and is there already: choose another spec.name")
