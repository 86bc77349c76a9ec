"""The App resource: what a user deploys. Everything else about it is derived from its spec."""

from typing import Annotated, Literal

from pydantic import Field

from pilothouse.client.crds import Column, CustomType, Model
from pilothouse.platform.apps.patterns import HOST, IMAGE, NAME, QUANTITY
from pilothouse.platform.apps.resource import APPS

Host = Annotated[str, Field(pattern=HOST, max_length=253)]


class Git(Model):
    """A repository to clone. revision: branch, tag or commit; the remote's default branch when empty."""

    url: str = Field(min_length=1, description="Where to clone from.")
    revision: str = Field("", description="Branch, tag or commit; the default branch when empty.")
    commit: str | None = Field(
        None, pattern="^[0-9a-f]{40,64}$", description="The commit to build; without one, what the revision is when the build fetches it."
    )
    secret: str | None = Field(
        None, description="A Secret with the repository's credentials, of type kubernetes.io/basic-auth or kubernetes.io/ssh-auth."
    )


class Upload(Model):
    """A source tree that the CLI has put into the platform's registry as one gzipped tar."""

    repository: str = Field(min_length=1, description="The registry's repository that holds the source.")
    digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")


class Source(Model):
    """Exactly one of git and upload. path: the folder inside it that is the build context."""

    git: Git | None = None
    upload: Upload | None = None
    path: str = Field("", description="The folder of the source that is the build context.")


class BuildOptions(Model):
    dockerfile: str = Field("Dockerfile", description="Path of the Dockerfile inside the build context.")
    inline: str = Field("", description="A Dockerfile's text, used instead of a file of the source.")
    target: str = Field("", description="The stage of the Dockerfile that becomes the image; the last one when empty.")
    args: dict[str, str] = Field(default_factory=dict, description="Build arguments.")
    no_cache: bool | None = Field(None, description="Build every step anew; layers of earlier builds are not used.")


class Resources(Model):
    """Limits of each replica, as Kubernetes quantities; requests follow from them."""

    cpu: str = Field("", pattern=QUANTITY, description="Such as 500m.")
    memory: str = Field("", pattern=QUANTITY, description="Such as 256Mi.")


class Health(Model):
    """An HTTP path that answers below 400 when a replica can serve. Without one, an accepting port counts."""

    path: str = Field("", pattern="^(/.*)?$", description="A path that answers below 400.")


class Autoscale(Model):
    """Between min and max replicas of `web`, so many that each uses about this much; 80 percent of its CPU when neither is given."""

    min: int = Field(1, ge=1, le=10_000, description="The fewest replicas.")
    max: int = Field(ge=1, le=10_000, description="The most replicas.")
    cpu: int | None = Field(None, ge=1, le=1000, description="Percent of a replica's CPU limit; of one core where it has no limit.")
    memory: int | None = Field(None, ge=1, le=1000, description="Percent of a replica's memory limit, which it must have.")


class Process(Model):
    """One of the programs that an app consists of; all run from the app's image with its environment.

    `web` has the route and the app's `replicas`. `release` runs once before a new state is rolled out. A process with a
    schedule runs at those times. Every other one runs all the time and has no port.
    """

    command: list[str] = Field(default_factory=list, description="Replaces the image's entrypoint.")
    args: list[str] = Field(default_factory=list, description="Replaces the image's command.")
    replicas: int | None = Field(
        None, ge=0, description="How many run, 1 when not given; not for `web`, `release` and scheduled processes."
    )
    schedule: str | None = Field(None, description="When to run, in cron's five fields, UTC: `30 3 * * *`.")
    resources: Resources | None = Field(None, description="Limits of each replica, in place of the app's.")


class Volume(Model):
    """A folder of the app's processes whose files outlive them. What is left out of size, accessMode and storageClass stays as it is."""

    path: str = Field(min_length=1, max_length=255, pattern="^/", description="Where the processes find it.")
    size: str | None = Field(
        None, pattern=QUANTITY, description="Such as 10Gi; 1Gi at first when not given. It may be raised, never lowered."
    )
    read_only: bool | None = Field(None, description="The processes cannot write to it.")
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] | None = Field(
        None, description="ReadWriteMany lets several replicas write, where the storage class can. ReadWriteOnce when not given."
    )
    storage_class: str | None = Field(None, description="The cluster's default class when not given.")
    claim: str | None = Field(
        None,
        description="A PersistentVolumeClaim that is there already; without one, the app's own claim, APP-VOLUME, which is made for it.",
    )
    processes: list[str] = Field(default_factory=list, description="The processes that mount it; all when empty.")


class AppSpec(Model):
    """Exactly one of image and source."""

    image: str = Field("", pattern=IMAGE, description="An image to run as it is.")
    source: Source | None = Field(None, description="What to build the image from.")
    build: BuildOptions = Field(default_factory=BuildOptions, description="How to build it.")
    attempt: int | None = Field(None, ge=0, description="A new number builds and releases the same state once more.")
    port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="The port that the application listens on, also in its environment as PORT. "
        "Without one: what the built image exposes, or 8080. 0: it has no port and no route.",
    )
    replicas: int = Field(1, ge=0, description="How many replicas run; with autoscale, the number that the load asks for is set here.")
    autoscale: Autoscale | None = Field(None, description="Lets the load decide how many replicas of `web` run.")
    command: list[str] = Field(default_factory=list, description="Replaces the image's entrypoint.")
    args: list[str] = Field(default_factory=list, description="Replaces the image's command.")
    processes: dict[str, Process] = Field(default_factory=dict, description="The app's processes by name, when it has more than one.")
    volumes: dict[str, Volume] = Field(default_factory=dict, description="Volumes by name, whose files outlive the replicas.")
    env: dict[str, str] = Field(default_factory=dict, description="Environment variables.")
    secrets: list[str] = Field(default_factory=list, description="Secrets whose keys become environment variables.")
    internal: bool | None = Field(None, description="No route from outside: other apps reach it by its name and port.")
    hosts: list[Host] = Field(default_factory=list, description="Host names of the route; NAME.localhost when empty.")
    resources: Resources = Field(default_factory=Resources, description="Limits of each replica.")
    health: Health = Field(default_factory=Health, description="When a replica can serve.")
    history: int = Field(10, ge=1, le=100, description="How many revisions are kept.")
    restarts: dict[str, str] = Field(default_factory=dict, description="By process, a time; a new one replaces its replicas one by one.")


class Condition(Model):
    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class Revision(Model):
    """A state of the app that was rolled out once and can be gone back to."""

    number: int
    image: str
    created_at: str
    note: str = ""
    changed: str | None = Field(None, description="What differs from the revision before it.")
    served: bool | None = Field(
        None, description="Whether the app was ready with it; not known of revisions that are older than this field."
    )


class ProcessStatus(Model):
    """replicas, ready_replicas: of a process that runs all the time. last_scheduled_at: of a scheduled one."""

    name: str
    replicas: int = 0
    ready_replicas: int = 0
    last_scheduled_at: str | None = None


class VolumeStatus(Model):
    """requested, capacity: as Kubernetes quantities. kept: no volume of the spec any more, and its claim is still there."""

    name: str
    claim: str
    phase: str = Field(description="Of its claim, such as Bound or Pending; Deleting, or Missing when there is none.")
    requested: str = ""
    capacity: str = ""
    kept: bool | None = None


class ObservedSecret(Model):
    name: str
    resource_version: str


class AppStatus(Model):
    observed_generation: int = Field(0, description="The generation that this status speaks of.")
    url: str = Field("", description="Where the app is reached.")
    image: str = Field("", description="The image of the newest revision.")
    revision: int = Field(0, description="Number of the newest revision.")
    build: str = Field("", description="Name of the newest Build.")
    replicas: int = Field(0, description="Replicas that exist.")
    ready_replicas: int = Field(0, description="Replicas that can serve.")
    selector: str = Field("", description="Label selector of the pods.")
    revisions: list[Revision] = Field(default_factory=list, description="Revisions that can be gone back to.")
    processes: list[ProcessStatus] = Field(default_factory=list, description="The processes that run all the time or on a schedule.")
    volumes: list[VolumeStatus] = Field(
        default_factory=list, description="The app's volumes, and claims of its that no volume names any more."
    )
    given_up: str | None = Field(
        None, description="Name of the newest revision's ControllerRevision when it made no progress and an earlier one runs in its place."
    )
    release: str | None = Field(None, description="Name of the last release Job that has succeeded.")
    observed_secrets: list[ObservedSecret] = Field(default_factory=list, description="The named Secrets as this status speaks of them.")
    conditions: list[Condition] = Field(default_factory=list)


APP = CustomType(
    APPS,
    AppSpec,
    AppStatus,
    columns=(
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Replicas", ".status.readyReplicas", "integer"),
        Column("URL", ".status.url"),
        Column("Revision", ".status.revision", "integer"),
        Column("Image", ".status.image", wide=True),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    name_pattern=NAME,
    scale={
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)
