"""The Build resource: one attempt to turn one source into one image. Its spec never changes; a new source is a new Build."""

from typing import Literal

from pydantic import Field

from pilothouse.client.crds import Column, CustomType, Model
from pilothouse.model.resource import Resource

BUILDS = Resource(
    "builds.pilothouse.dev", "v1", "builds", "Build", singular="build", categories=("pilothouse",), subresources=("status",), custom=True
)
Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Cancelled"]


class Git(Model):
    """A repository to clone. revision: branch, tag or commit; the remote's default branch when empty."""

    url: str = Field(min_length=1)
    revision: str = ""


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
    args: dict[str, str] = Field(default_factory=dict, description="Build arguments.")
    cancelled: bool = Field(False, description="Set to stop a build.")


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
