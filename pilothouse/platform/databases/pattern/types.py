"""What the kinds of every backing service have in common: parts of specs and statuses, and the kinds Binding, Backup and BackupStore."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from pilothouse.client.crds import Column, CustomType, Model
from pilothouse.platform.databases.pattern.patterns import OBJECT, QUANTITY, TIME
from pilothouse.platform.databases.resource import BACKUP_STORES, BACKUPS, BINDINGS

Name = Annotated[str, Field(pattern=OBJECT, max_length=253)]
Time = Annotated[str, Field(pattern=TIME)]


class Condition(Model):
    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class Resources(Model):
    """Of each member's server, as Kubernetes quantities. They are its requests and its limits, and change while it runs."""

    cpu: str = Field("500m", pattern=QUANTITY, description="Such as 500m.")
    memory: str = Field("512Mi", pattern=QUANTITY, description="Such as 512Mi.")


class Client(Model):
    """Pods that may connect beside those of bound apps, or addresses outside the cluster. Either labels with namespace, or cidr."""

    namespace: str | None = Field(None, description="Whose pods; the instance's own when not given.")
    labels: dict[str, str] = Field(default_factory=dict, description="Which pods of it; all when empty.")
    cidr: str | None = Field(None, description="Addresses outside the cluster, such as 10.1.0.0/16.")


class Access(Model):
    clients: list[Client] = Field(default_factory=list, max_length=100, description="Who may connect beside bound apps.")
    metrics: list[Client] = Field(
        default_factory=list, max_length=100, description="Who may read the members' metrics, such as Prometheus."
    )


class Keep(Model):
    """How many backups stay. The newest that was restored with success always does."""

    count: int = Field(7, ge=1, le=1000, description="The newest so many that have succeeded.")
    days: int | None = Field(None, ge=1, le=3650, description="And none that is older.")


class BackupPolicy(Model):
    """Scheduled backups and the archive of the log of changes, of which a state between backups is restored."""

    store: str = Field("", description="The BackupStore; the namespace's store `default`, made on a volume, when empty.")
    schedule: str = Field("", description="When to take one, in cron's five fields, UTC: `30 3 * * *`. None are scheduled when empty.")
    method: Literal["physical", "logical"] = "physical"
    keep: Keep = Field(default_factory=Keep)
    verify: bool = Field(True, description="Restore each scheduled backup into a scratch instance and compare.")
    archive: bool = Field(False, description="Archive the log of changes continuously, so that any second can be restored.")


class RestoreFrom(Model):
    """Where a new instance has its data from. Exactly one of backup and instance. Read once, when the instance is made."""

    backup: str | None = Field(None, description="A Backup of the namespace.")
    instance: str | None = Field(None, description="An instance of the namespace, or one that was: its newest backup before the time.")
    time: Time | None = Field(None, description="As it was at this time, from the archived log; as the backup has it when not given.")
    gtid: str | None = Field(None, description="Up to this transaction and no further, in place of a time.")


class Switchover(Model):
    """Asks for another primary. A new `at` asks once more."""

    at: Time
    to: str = Field("", description="The member that is to be primary; the one that lags least when empty.")
    force: bool | None = Field(None, description="Although the old primary does not answer, and what it alone has may be lost.")


class ServiceReference(Model):
    kind: Literal["MySQL"] = "MySQL"
    name: Name


class BindingSpec(Model):
    """Lets an app of the namespace use a service: an account of its own, its variables in the app, and a way through the network policy.

    Of which app and service it is does not change.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.app == oldSelf.app && self.service == oldSelf.service",
                    "message": "a binding stays with its app and service: delete it and make another",
                }
            ]
        }
    )

    app: Name = Field(description="The App.")
    service: ServiceReference
    database: str = Field("", description="The database that the account may use; the instance's first one when empty.")
    rights: Literal["all", "read"] = Field("all", description="all: everything in that database, its tables' definitions too.")
    prefix: str = Field(
        "", pattern="^([A-Z][A-Z0-9_]{0,62})?$", description="Of the variables: ORDERS gives ORDERS_URL; from the name when empty."
    )
    rotated_at: Time | None = Field(None, description="A new time gives the account a new password.")


class BindingStatus(Model):
    observed_generation: int = 0
    secret: str = Field("", description="The Secret with the variables, which the App names.")
    user: str = Field("", description="The account's name.")
    rotated_at: str = Field("", description="The rotation that the app has been rolled out with.")
    served_at: str = Field("", description="Since when the app serves so: with the newest variables, or without them.")
    conditions: list[Condition] = Field(default_factory=list)


class VolumeStore(Model):
    size: str = Field("10Gi", pattern=QUANTITY)
    storage_class: str | None = None


class S3Store(Model):
    endpoint: str = Field(min_length=1, description="URL of the service, such as https://s3.example.com.")
    bucket: str = Field(min_length=3, max_length=63)
    prefix: str = ""
    region: str = "us-east-1"
    secret: Name = Field(description="A Secret with the keys accessKey and secretKey.")
    ca: str = Field(
        "", description="PEM of the authority that the endpoint's certificate is signed by, where it is none that the system knows."
    )


class Encryption(Model):
    secret: Name = Field(description="A Secret whose key `key` holds 32 bytes in base64; made when it is not there.")


class BackupStoreSpec(Model):
    """Where backups lie. Exactly one of volume and s3."""

    volume: VolumeStore | None = None
    s3: S3Store | None = None
    encryption: Encryption | None = Field(None, description="With the Secret STORE-key when not given: nothing lies there in the clear.")


class BackupStoreStatus(Model):
    observed_generation: int = 0
    conditions: list[Condition] = Field(default_factory=list)
    backups: int = 0
    bytes: int = Field(0, description="What the backups and logs in it take.")


class BackupSpec(Model):
    """One backup of one instance. Its spec does not change, but for `verifyAt`."""

    service: ServiceReference
    store: str = Field("", description="The BackupStore; the instance's own when empty.")
    method: Literal["physical", "logical"] = "physical"
    verify: bool = Field(True, description="Restore it into a scratch instance at once and compare.")
    verify_at: Time | None = Field(None, description="A new time restores and compares once more.")


class Verification(Model):
    """A backup that was restored into a scratch instance. tables, rows: that were compared with what the backup recorded."""

    at: str = ""
    seconds: float = 0
    tables: int = 0
    rows: int = 0


class BackupStatus(Model):
    observed_generation: int = 0
    store: str = Field("", description="The BackupStore that it lies in.")
    phase: Literal["Pending", "Running", "Succeeded", "Failed"] = "Pending"
    reason: str = ""
    message: str = ""
    instance_uid: str = Field("", description="Which instance it was taken of: another one may have its name since.")
    source: dict[str, Any] = Field(
        default_factory=dict,
        description="The instance as it was then: its spec, and what a restore needs of it.",
        json_schema_extra={"additionalProperties": False, "x-kubernetes-preserve-unknown-fields": True},
    )
    location: str = Field("", description="Its folder in the store.")
    member: str = Field("", description="The member that it was taken from.")
    version: str = Field("", description="Of the server.")
    image: str = Field("", description="With the tools of that version: what restores it runs.")
    gtid: str = Field("", description="The last transaction that is in it.")
    bytes: int = Field(0, description="In the store, compressed and encrypted.")
    uncompressed_bytes: int = 0
    digest: str = Field("", description="`sha256:...` of what lies in the store.")
    started_at: str = ""
    finished_at: str = ""
    seconds: float = 0
    verified: Verification | None = None
    verify_at: str = ""
    tried_at: str = Field("", description="When a proof last ended, whatever came of it.")
    scheduled: bool = False
    conditions: list[Condition] = Field(default_factory=list, description="Complete, Verified.")


BINDING = CustomType(
    BINDINGS,
    BindingSpec,
    BindingStatus,
    columns=(
        Column("App", ".spec.app"),
        Column("Service", ".spec.service.name"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Secret", ".status.secret"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
BACKUP_STORE = CustomType(
    BACKUP_STORES,
    BackupStoreSpec,
    BackupStoreStatus,
    columns=(
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Backups", ".status.backups", "integer"),
        Column("Bytes", ".status.bytes", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
BACKUP = CustomType(
    BACKUPS,
    BackupSpec,
    BackupStatus,
    columns=(
        Column("Service", ".spec.service.name"),
        Column("Phase", ".status.phase"),
        Column("Verified", '.status.conditions[?(@.type=="Verified")].status'),
        Column("Bytes", ".status.bytes", "integer"),
        Column("Seconds", ".status.seconds", "number"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
