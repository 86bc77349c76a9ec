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

    url: str = Field(min_length=1, description="Where to clone from.")
    revision: str = Field("", description="Branch, tag or commit; the default branch when empty.")


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
    args: dict[str, str] = Field(default_factory=dict, description="Build arguments.")


class Resources(Model):
    """Limits of each replica, as Kubernetes quantities; requests follow from them."""

    cpu: str = Field("", description="Such as 500m.")
    memory: str = Field("", description="Such as 256Mi.")


class Health(Model):
    """An HTTP path that answers below 400 when a replica can serve. Without one, an accepting port counts."""

    path: str = Field("", pattern="^(/.*)?$", description="A path that answers below 400.")


class AppSpec(Model):
    """Exactly one of image and source."""

    image: str = Field("", description="An image to run as it is.")
    source: Source | None = Field(None, description="What to build the image from.")
    build: BuildOptions = Field(default_factory=BuildOptions, description="How to build it.")
    port: int = Field(8080, ge=1, le=65535, description="The port that the application listens on; it is also told it as PORT.")
    replicas: int = Field(1, ge=0, description="How many replicas run.")
    command: list[str] = Field(default_factory=list, description="Replaces the image's entrypoint.")
    args: list[str] = Field(default_factory=list, description="Replaces the image's command.")
    env: dict[str, str] = Field(default_factory=dict, description="Environment variables.")
    secrets: list[str] = Field(default_factory=list, description="Secrets whose keys become environment variables.")
    hosts: list[str] = Field(default_factory=list, description="Host names of the route; NAME.localhost when empty.")
    resources: Resources = Field(default_factory=Resources, description="Limits of each replica.")
    health: Health = Field(default_factory=Health, description="When a replica can serve.")
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
    observed_generation: int = Field(0, description="The generation that this status speaks of.")
    url: str = Field("", description="Where the app is reached.")
    image: str = Field("", description="The image of the newest revision.")
    revision: int = Field(0, description="Number of the newest revision.")
    build: str = Field("", description="Name of the newest Build.")
    replicas: int = Field(0, description="Replicas that exist.")
    ready_replicas: int = Field(0, description="Replicas that can serve.")
    selector: str = Field("", description="Label selector of the pods.")
    revisions: list[Revision] = Field(default_factory=list, description="Revisions that can be gone back to.")
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
