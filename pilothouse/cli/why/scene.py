"""All that `ph why` sees of an app at one moment, and the plain facts in it (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.cli.why.notes import Note
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.gateway.routes import Problem


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there of `kind` `name` and of what belongs to it; notes: oldest first; now: seconds since the epoch.

    endpoints: the EndpointSlices of the Service of the same name; None when they were not asked for. problems: what keeps the
    gateway from routing the ingress. taken: objects that carry an App's name and are not its own.
    """

    kind: str
    name: str
    now: float
    app: Object | None = None
    build: Object | None = None
    deployment: Object | None = None
    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    ingress: Object | None = None
    endpoints: Sequence[Object] | None = None
    problems: Sequence[Problem] = ()
    taken: Sequence[str] = ()
    notes: Sequence[Note] = field(default_factory=tuple)

    @property
    def app_name(self) -> str:
        return self.name if self.kind == "App" else ""

    def notes_of(self, obj: Object) -> list[Note]:
        return [note for note in self.notes if note.kind == obj["kind"] and note.name == meta.name(obj)]

    @property
    def build_phase(self) -> str:
        """ "" when there is no build."""
        return "" if self.build is None else (self.build.get("status") or {}).get("phase") or "Pending"

    @property
    def waits_for_build(self) -> bool:
        """The newest source has not become an image (yet)."""
        return self.build_phase not in ("", "Succeeded")

    @property
    def subject(self) -> str:
        return self.name if self.kind == "App" else f"{self.kind.lower()} {self.name}"

    @property
    def owner(self) -> Object | None:
        """What keeps the number of pods."""
        return self.deployment if self.deployment is not None else newest(self.replica_sets)

    @property
    def current_pods(self) -> list[Object]:
        """Those of the newest revision."""
        if self.kind == "Pod":
            return list(self.pods)
        current = newest(self.replica_sets)
        return [p for p in self.pods if current is not None and (meta.controller_of(p) or {}).get("uid") == meta.uid(current)]

    def age_of(self, obj: Object | None) -> float:
        """Seconds since its creation."""
        created = ((obj or {}).get("metadata") or {}).get("creationTimestamp")
        return self.now - meta.parse_rfc3339(created) if created else 0.0


def newest(replica_sets: Sequence[Object]) -> Object | None:
    """The ReplicaSet of a Deployment's current revision."""

    def order(replica_set: Object) -> tuple[int, str]:
        number = meta.annotations(replica_set).get("deployment.kubernetes.io/revision", "0")
        return int(number) if number.isdigit() else 0, replica_set["metadata"].get("creationTimestamp") or ""

    return max(replica_sets, key=order, default=None)


def restarts(pod: Object) -> int:
    return sum(c.get("restartCount", 0) for c in (pod.get("status") or {}).get("containerStatuses") or ())


def count(obj: Object | None, name: str) -> int:
    return int(((obj or {}).get("status") or {}).get(name) or 0)


def is_rolled_out(deployment: Object) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    observed = count(deployment, "observedGeneration") >= meta.generation(deployment)
    return observed and all(count(deployment, name) == wanted for name in ("replicas", "updatedReplicas", "availableReplicas"))
