"""What is seen of an instance's accounts and databases, and what is to be done about them (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.accounts.names import account_name, database_name
from pilothouse.platform.databases.resource import MYSQL_USERS


@dataclass(frozen=True, slots=True)
class Seen:
    """What exists of an instance's accounts. instance: None when there is none. users, databases: those that name it.

    left_over: those that name it and went with an earlier instance of the name, see `names.is_left_over`; they are in neither of these.
    secrets: those that users and the instance name, by name, as far as they exist. heard: what the primary has said of `account/NAME`
    and `database/NAME` (version, error); None as long as it has not been heard of. now_s: seconds since the epoch.
    """

    instance: Object | None
    users: Sequence[Object] = ()
    databases: Sequence[Object] = ()
    secrets: Mapping[str, Object] = field(default_factory=dict)
    heard: Mapping[str, Object] | None = None
    now_s: float = 0.0
    left_over: Sequence[Object] = ()


@dataclass(slots=True)
class Steps:
    """secrets: to create, or to update where they have a resourceVersion. finalizers: objects, and the finalizers that they get.

    remove: objects to delete. statuses: objects, and the fields of their status that change.
    drop_later: the annotation's new value; None: as it is. again_s: in how many seconds to look again.
    """

    secrets: list[Object] = field(default_factory=list)
    finalizers: list[tuple[Object, list[str]]] = field(default_factory=list)
    remove: list[Object] = field(default_factory=list)
    statuses: list[tuple[Object, Object]] = field(default_factory=list)
    drop_later: str | None = None
    again_s: float | None = None

    def look_again(self, after_s: float) -> None:
        self.again_s = after_s if self.again_s is None else min(self.again_s, after_s)


def is_going(instance: Object) -> bool:
    """Whether it is on its way out; one that is protected serves on."""
    return meta.is_deleting(instance) and not instance["spec"].get("deletionProtection", True)


def is_suspended(instance: Object) -> bool:
    return bool(instance["spec"].get("suspended"))


def is_user(obj: Object) -> bool:
    return bool(obj["kind"] == MYSQL_USERS.kind)


def server_key(obj: Object) -> str:
    """As the primary names what the object stands for."""
    return f"account/{account_name(obj)}" if is_user(obj) else f"database/{database_name(obj)}"
