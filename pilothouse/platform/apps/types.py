"""The App resource: what a user deploys. Everything else about it is derived from its spec."""

from typing import Literal

from pydantic import Field

from pilothouse.client.crds import Column, CustomType, Model
from pilothouse.model.resource import Resource

APPS = Resource(
    "apps.pilothouse.dev",
    "v1",
    "apps",
    "App",
    singular="app",
    categories=("all", "pilothouse"),
    subresources=("status", "scale"),
    custom=True,
)


class Git(Model):
    """A repository to clone. revision: branch, tag or commit; the remote's default branch when empty."""

    url: str = Field(min_length=1)
    revision: str = ""


class Upload(Model):
    """A source tree that the CLI has put into the platform's registry as one gzipped tar."""

    repository: str = Field(min_length=1)
    digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")


class Source(Model):
    """Exactly one of git and upload. path: the folder inside it that is the build context."""

    git: Git | None = None
    upload: Upload | None = None
    path: str = ""


class BuildOptions(Model):
    dockerfile: str = "Dockerfile"
    inline: str = Field("", description="A Dockerfile's text, used instead of a file of the source.")
    args: dict[str, str] = Field(default_factory=dict)


class Resources(Model):
    """Limits of each replica, as Kubernetes quantities; requests follow from them."""

    cpu: str = ""
    memory: str = ""


class Health(Model):
    """An HTTP path that answers below 400 when a replica can serve. Without one, an accepting port counts."""

    path: str = Field("", pattern="^(/.*)?$")


class AppSpec(Model):
    """Exactly one of image and source."""

    image: str = Field("", description="An image to run as it is.")
    source: Source | None = None
    build: BuildOptions = Field(default_factory=BuildOptions)
    port: int = Field(8080, ge=1, le=65535, description="The port that the application listens on; it is also told it as PORT.")
    replicas: int = Field(1, ge=0)
    command: list[str] = Field(default_factory=list)
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    secrets: list[str] = Field(default_factory=list, description="Secrets whose keys become environment variables.")
    hosts: list[str] = Field(default_factory=list, description="Host names of the route; NAME.localhost when empty.")
    resources: Resources = Field(default_factory=Resources)
    health: Health = Field(default_factory=Health)
    history: int = Field(10, ge=1, le=100, description="How many revisions are kept.")


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


class AppStatus(Model):
    observed_generation: int = 0
    url: str = ""
    image: str = ""
    revision: int = 0
    build: str = Field("", description="Name of the newest Build.")
    replicas: int = 0
    ready_replicas: int = 0
    selector: str = ""
    revisions: list[Revision] = Field(default_factory=list)
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
    scale={
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)
