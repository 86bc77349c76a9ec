"""Which image an app runs, or why there is none yet (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import objects
from pilothouse.platform.apps.objects import Surroundings


@dataclass(frozen=True, slots=True)
class Image:
    """reference: "" while there is none. built: the Built condition as (status, reason, message).

    build: one to make. build_name: "" for an app that names an image. exposed: the ports that the built image exposes.
    """

    reference: str
    built: tuple[str, str, str]
    build: Object | None = None
    build_name: str = ""
    exposed: list[int] = field(default_factory=list)


def resolve_image(app: Object, builds: Sequence[Object], around: Surroundings) -> Image:
    spec = app["spec"]
    if spec.get("image"):
        return Image(spec["image"], ("True", "ImageGiven", ""))
    if not spec.get("source"):
        return Image("", ("False", "NoSource", "the app names neither an image nor a source: set spec.image or spec.source"))
    if not around.registry:
        return Image("", ("False", "NoRegistry", "there is no registry to build into: run the platform with --registry, or set spec.image"))
    return _from_build(objects.build(app, around), find(app, builds))


def find(app: Object, builds: Sequence[Object]) -> Object | None:
    """The Build of the app's source, or one of release 0.1 that has built the same.

    Those do not say what the image exposes, so they do for an app whose port is set.
    """
    named = {meta.name(build): build for build in builds}
    legacy = named.get(objects.legacy_build_name(app))
    does = _phase(legacy) == "Succeeded" and app["spec"].get("port") is not None
    return named.get(objects.build_name(app)) or (legacy if does else None)


def _from_build(wanted: Object, current: Object | None) -> Image:
    status = (current or {}).get("status") or {}
    phase, name = _phase(current), meta.name(current or wanted)
    if current is None or phase in ("Pending", "Running"):
        return Image("", ("Unknown", "Building", f"build {name} is {phase.lower()}"), wanted, name)
    if phase == "Succeeded":
        repository = wanted["spec"]["image"].rpartition(":")[0]
        reference = f"{repository}@{status['digest']}"
        return Image(reference, ("True", "BuildSucceeded", ""), build_name=name, exposed=status.get("exposedPorts") or [])
    reason, message = status.get("reason") or f"Build{phase}", status.get("message") or f"build {name} {phase.lower()}"
    return Image("", ("False", reason, message), build_name=name)


def _phase(build: Object | None) -> str:
    found: str = ((build or {}).get("status") or {}).get("phase") or "Pending"
    return found
