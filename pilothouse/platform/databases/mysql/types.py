"""The kinds MySQL (an instance: one server, or a primary with replicas), MySQLDatabase and MySQLUser."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from pilothouse.client.crds import Column, CustomType, Model
from pilothouse.platform.databases.pattern.patterns import IMAGE, NAME, QUANTITY
from pilothouse.platform.databases.pattern.types import (
    Access,
    BackupPolicy,
    Condition,
    Name,
    Resources,
    RestoreFrom,
    Switchover,
    Time,
)
from pilothouse.platform.databases.resource import MYSQL_DATABASES, MYSQL_USERS, MYSQLS

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$-]{0,63}$")]
Account = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,79}$")]


class Reseed(Model):
    """Throws a replica's data away and copies the primary's anew. A new `at` does it once more."""

    member: Name
    at: Time


class MySQLSpec(Model):
    flavour: Literal["mariadb", "mysql"] = Field("mariadb", description="Which server. It does not change once there are data.")
    version: str = Field("", pattern=r"^([0-9]+(\.[0-9]+){1,2})?$", description="Such as 10.11 or 10.11.18; the platform's own when empty.")
    image: Annotated[str, Field(pattern=IMAGE)] | None = Field(
        None, description="Of a registry, in place of one that the platform makes. A tag counts as what it is when it is named."
    )
    replicas: int = Field(1, ge=0, le=9, description="Members: 1, or 3 and more, of which one is the primary.")
    size: str = Field("1Gi", pattern=QUANTITY, description="Of each member's volume. It may be raised, never lowered.")
    storage_class: str | None = Field(None, description="The cluster's default class when not given. It does not change.")
    resources: Resources = Field(Resources())
    suspended: bool = Field(False, description="Nothing runs; the volumes stay.")
    deletion_protection: bool = Field(True, description="A deleted instance goes on until this is false.")
    final_backup: bool = Field(True, description="A last backup is taken before a deleted instance goes.")
    parameters: dict[str, str] = Field(default_factory=dict, description="The server's own settings by name.")
    access: Access = Field(default_factory=Access)
    backup: BackupPolicy = Field(default_factory=BackupPolicy)
    restore: RestoreFrom | None = Field(None, description="Where its data comes from; empty when not given.")
    switchover: Switchover | None = None
    reseed: Reseed | None = None
    restarted_at: Time | None = Field(None, description="A new time restarts the members one by one, the primary last.")
    rotated_at: Time | None = Field(None, description="A new time gives the instance's own accounts new passwords.")


class Disk(Model):
    """Of a member's volume, in bytes."""

    size: int = 0
    free: int = 0


class MemberStatus(Model):
    """role: what it does now. state: what stands in its way otherwise. gtid: the last transactions that it has, as the server says it."""

    name: str
    role: Literal["primary", "replica", "none"] = "none"
    state: str = ""
    message: str = ""
    ready: bool = False
    writable: bool = False
    gtid: str = ""
    lag_seconds: float | None = None
    errant: str = Field("", description="Transactions that the primary has not.")
    version: str = ""
    started_at: str = Field("", description="When its server was started last.")
    disk: Disk = Field(default_factory=Disk)
    pending_restart: list[str] = Field(default_factory=list, description="Parameters that count after a restart.")
    cpu: str = Field("", description="What its server has now.")
    memory: str = ""


class RefusedParameter(Model):
    """A setting that a running server does not take: members are not told it until its value is another one."""

    name: str
    value: str
    message: str = ""


class Move(Model):
    """The last change of the primary, or the one that is under way (no `finishedAt`)."""

    at: str = Field("", description="The `at` of the switchover that asked for it; empty for a failover.")
    kind: Literal["switchover", "failover"] = "switchover"
    source: str = Field("", description="The primary before.")
    target: str = Field("", description="The primary after; empty as long as it is not decided.")
    started_at: str = ""
    finished_at: str = ""
    handed: str = Field(
        "",
        description="The last transactions that the new primary must have before it accepts more.",
    )
    read_only_seconds: float | None = None
    message: str = ""
    drains: bool = Field(False, description="Whether the old primary has been told to take no more writes.")


class Binding(Model):
    """The Secret with what a client needs, where the Service Binding specification looks for it."""

    name: str = ""


class MySQLStatus(Model):
    observed_generation: int = 0
    phase: Literal[
        "Creating", "Restoring", "Online", "Degraded", "Changing", "Suspending", "Suspended", "Resuming", "Deleting", "Failed"
    ] = "Creating"
    term: int = Field(0, description="Counts the primaries; a member obeys no order of a lower term.")
    step: int = Field(0, description="Counts the decisions on who may write; a member obeys no order of an earlier one.")
    primary: str = Field("", description="The member that alone may accept writes; empty while it is being chosen.")
    acknowledging: list[str] = Field(
        default_factory=list, description="The replicas one of which has each transaction before it is acknowledged."
    )
    retiring: list[str] = Field(default_factory=list, description="Those of them that are told to acknowledge no more, to leave the list.")
    silenced: list[str] = Field(default_factory=list, description="Those of `retiring` that have said that they do not.")
    passed_over: list[str] = Field(
        default_factory=list, description="Members that a primary was chosen without: what they alone have was never acknowledged."
    )
    database: str = Field("", description="The first database, where it came with a backup; else it is named like the instance.")
    seeded: str = Field("", description="The member that the data began on; empty as long as there is none.")
    durable: bool = Field(False, description="Whether each acknowledged transaction is on two disks, so that a replica may take over.")
    waits: bool = Field(False, description="Whether commits wait for an acknowledgement.")
    move: Move | None = None
    reseeded_at: str = Field("", description="The `at` of the last reseed that was carried out or refused.")
    switched_at: str = Field("", description="The `at` of the last switchover that was carried out or given up.")
    version: str = ""
    data_version: str = Field("", description="The highest version that has opened the data; a lower one may not be able to.")
    image: str = Field("", description="The image that the members run.")
    image_asked: str = Field("", description="The `spec.image` that it was, before its tag became a digest.")
    previous_image: str = Field("", description="The one before, to which the members can be brought back.")
    host: str = Field("", description="Name of the Service that leads to the primary.")
    read_host: str = Field("", description="Name of the Service that leads to replicas, or to the primary where there are none.")
    port: int = 0
    binding: Binding | None = None
    replicas: int = 0
    ready_replicas: int = 0
    selector: str = ""
    members: list[MemberStatus] = Field(default_factory=list)
    refused_parameters: list[RefusedParameter] = Field(
        default_factory=list, description="Those of `spec.parameters` that the server does not take, and that are left out."
    )
    tuned_generation: int = Field(0, description="The generation whose parameters all members have taken, or refused.")
    restarted_at: str = ""
    rotated_at: str = ""
    archived_until: str = Field("", description="The time up to which the archive can restore.")
    archived_through: str = Field(
        "",
        description="A position up to which all is in the archive: members may let go of their logs of changes. Renewed each ten minutes.",
    )
    last_backup: str = ""
    conditions: list[Condition] = Field(default_factory=list)


MYSQL = CustomType(
    MYSQLS,
    MySQLSpec,
    MySQLStatus,
    columns=(
        Column("Phase", ".status.phase"),
        Column("Primary", ".status.primary"),
        Column("Ready", ".status.readyReplicas", "integer"),
        Column("Replicas", ".spec.replicas", "integer"),
        Column("Version", ".status.version"),
        Column("Host", ".status.host", wide=True),
        Column("Size", ".spec.size", wide=True),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    name_pattern=NAME,
    scale={"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"},
)


def _constant(*fields: str) -> ConfigDict:
    """Of a spec whose fields do not change: what the server has would be left behind."""
    same = " && ".join(f"(has(self.{each}) ? self.{each} : '') == (has(oldSelf.{each}) ? oldSelf.{each} : '')" for each in fields)
    message = f"{' and '.join(fields)} do not change: delete the object and make another"
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": [{"rule": same, "message": message}]})


class MySQLDatabaseSpec(Model):
    model_config = _constant("instance", "name")

    instance: Name
    name: Identifier | None = Field(None, description="In the server; the object's own name when not given.")
    character_set: str = Field("utf8mb4", pattern="^[a-z0-9]{1,32}$")
    collation: str = Field("", pattern="^[a-z0-9_]{0,64}$")
    on_delete: Literal["keep", "drop"] = Field("keep", description="What becomes of its tables when the object is deleted.")


class MySQLDatabaseStatus(Model):
    observed_generation: int = 0
    instance_uid: str = Field("", description="The instance that took it up, and with which it goes; another of the name does not get it.")
    applied: bool = Field(False, description="Whether the server has ever had it.")
    conditions: list[Condition] = Field(default_factory=list)


MYSQL_DATABASE = CustomType(
    MYSQL_DATABASES,
    MySQLDatabaseSpec,
    MySQLDatabaseStatus,
    columns=(
        Column("Instance", ".spec.instance"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)


class Grant(Model):
    """privileges: as in GRANT, such as SELECT; `ALL` for all that does not administer the server.

    target: `orders`, `orders.items` or `*`. It is not called `on`, as in SQL: YAML 1.1, which kubectl reads, takes that for a boolean.
    """

    privileges: list[Annotated[str, Field(pattern="^[A-Z][A-Z ]{1,39}$")]] = Field(min_length=1, max_length=40)
    target: str = Field(pattern=r"^(\*|[A-Za-z_][A-Za-z0-9_$-]{0,63}(\.[A-Za-z_][A-Za-z0-9_$-]{0,63})?)$")


class MySQLUserSpec(Model):
    """An account. Its password lies under the key `password` of the Secret, which is made with a random one when it is not there."""

    model_config = _constant("instance", "name")

    instance: Name
    name: Account | None = Field(None, description="In the server; the object's own name when not given.")
    secret: str | None = Field(None, description="INSTANCE-NAME when not given.")
    grants: list[Grant] = Field(default_factory=list, max_length=100)
    max_connections: int = Field(0, ge=0, le=100_000, description="At a time; 0 for no limit of its own.")
    rotated_at: Time | None = Field(None, description="A new time gives it a new password; the one before works for `keepOldSeconds` more.")
    keep_old_seconds: int = Field(3600, ge=0, le=604_800)


class MySQLUserStatus(Model):
    observed_generation: int = 0
    instance_uid: str = Field("", description="The instance that took it up, and with which it goes; another of the name does not get it.")
    applied: bool = Field(False, description="Whether the server has ever had it.")
    secret: str = ""
    secret_version: str = Field("", description="The Secret's resourceVersion whose password the server takes.")
    rotated_at: str = ""
    old_valid_until: str = ""
    conditions: list[Condition] = Field(default_factory=list)


MYSQL_USER = CustomType(
    MYSQL_USERS,
    MySQLUserSpec,
    MySQLUserStatus,
    columns=(
        Column("Instance", ".spec.instance"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Secret", ".status.secret"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
