"""The Build resource: one attempt to turn one source into one image. Its spec never changes; a new source is a new Build."""

from typing import Literal

from pydantic import Field

from pilothouse.client.crds import Column, CustomType, Model
from pilothouse.platform.builds.resource import BUILDS

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Cancelled"]


class Git(Model):
    """A repository to clone. revision: branch, tag or commit; the remote's default branch when empty.

    secret: a Secret of the same namespace with its credentials, as `kubernetes.io/basic-auth` or `kubernetes.io/ssh-auth`
    have them, and `known_hosts`.
    """

    url: str = Field(min_length=1)
    revision: str = ""
    secret: str = ""


class Upload(Model):
    """A source tree uploaded to the platform's registry as one gzipped tar.

    repository: the registry repository that holds it; digest: `sha256:...` of the tar.
    """

    repository: str = Field(min_length=1)
    digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")


class Source(Model):
    """Exactly one of git and upload. path: the folder inside it that is the build context."""

    git: Git | None = None
    upload: Upload | None = None
    path: str = ""


class BuildSpec(Model):
    source: Source
    image: str = Field(min_length=1, description="Full name, with tag, that the image gets in the registry.")
    dockerfile: str = Field("Dockerfile", description="Path of the Dockerfile inside the build context.")
    inline: str = Field("", description="A Dockerfile's text, used instead of a file of the source.")
    target: str = Field("", description="The stage of the Dockerfile that becomes the image; the last one when empty.")
    args: dict[str, str] = Field(default_factory=dict, description="Build arguments.")
    no_cache: bool = Field(False, description="Build every step anew; layers of earlier builds are not used.")
    timeout_seconds: int = Field(
        0, ge=0, le=86400, description="The build's steps are stopped after this time; 0: after the setting `build.timeout`."
    )
    cancelled: bool = Field(False, description="Set to stop a build.")


class Step(Model):
    """One part of a build. name: an instruction as the Dockerfile has it, or what the platform does (`source`, `base images`, `push`)."""

    name: str
    line: int = Field(0, description="The Dockerfile's line, from 1; 0 for what is no instruction.")
    seconds: float = 0
    cached: bool = Field(False, description="The layer of an earlier build was used.")


class ImageConfig(Model):
    """What the built image says of itself, inherited from its base where the Dockerfile says nothing."""

    command: list[str] = Field(default_factory=list, description="CMD.")
    entrypoint: list[str] = Field(default_factory=list, description="ENTRYPOINT.")
    user: str = Field("", description="USER.")
    working_dir: str = Field("", description="WORKDIR.")
    volumes: list[str] = Field(default_factory=list, description="VOLUME.")


class Condition(Model):
    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: str = ""


class BuildStatus(Model):
    phase: Phase = "Pending"
    reason: str = ""
    message: str = Field("", description="For a failed build: the Dockerfile's line and what it said.")
    pod: str = ""
    digest: str = Field("", description="`sha256:...` of the image's manifest.")
    exposed_ports: list[int] = Field(
        default_factory=list, description="The TCP ports of EXPOSE in the built image: the Dockerfile's own, then its base image's."
    )
    image: ImageConfig | None = Field(None, description="What the built image says of itself.")
    interruptions: int = Field(
        0, description="How often the build began anew since its pod was taken from it, by a drain or with its node."
    )
    steps: list[Step] = Field(default_factory=list, description="What the build did, in order; the first 200.")
    started_at: str = ""
    finished_at: str = ""
    conditions: list[Condition] = Field(default_factory=list)


BUILD = CustomType(
    BUILDS,
    BuildSpec,
    BuildStatus,
    columns=(
        Column("Phase", ".status.phase"),
        Column("Image", ".spec.image", wide=True),
        Column("Message", ".status.message"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
