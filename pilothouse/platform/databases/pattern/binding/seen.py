"""What exists of what a binding joins, and what is to be done about it (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding.app import Serving
from pilothouse.platform.databases.pattern.binding.service import Connection

Said = tuple[str, str, str]
"""status, reason and message of the condition Ready."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What exists of what a binding joins; None where there is none. rivals: the other Bindings of the app. databases: of the service.

    secret: with the variables. password: of the account. authority: with the certificate of the service's authority.
    """

    app: Object | None = None
    instance: Object | None = None
    databases: Sequence[Object] = ()
    account: Object | None = None
    secret: Object | None = None
    password: Object | None = None
    authority: Object | None = None
    rivals: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is None or empty stays as it is. account, secret: to create, or to change where they have a resourceVersion.

    secrets_of_app: the App's list of Secrets. finalizers: of the Binding. status: its fields that are known anew.
    """

    finalizers: list[str] | None = None
    account: Object | None = None
    secret: Object | None = None
    secrets_of_app: list[str] | None = None
    status: Object = field(default_factory=dict)
    again_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come. account, secret: what is written of them this time. serving: None: not that far yet."""

    account: Object | None
    connection: Connection | None
    secret: Object | None
    serving: Serving | None


def owned(obj: Object, binding: Object) -> bool:
    return (meta.controller_of(obj) or {}).get("uid") == meta.uid(binding)
