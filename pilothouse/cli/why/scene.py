"""All that `ph why` sees of an app at one moment, and the plain facts in it (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pilothouse.cli.why.inside import Inside
from pilothouse.cli.why.notes import Note
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object
from pilothouse.platform.apps.processes import has_port
from pilothouse.platform.apps.workloads import STATE

if TYPE_CHECKING:
    from pilothouse.platform.gateway.routes import Problem


SETS = ("StatefulSet", "DaemonSet", "ReplicationController")
"""Kinds that make pods themselves, without ReplicaSets between."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there of `kind` `name` and of what belongs to it; notes: oldest first; now: seconds since the epoch.

    endpoints: the EndpointSlices of the Service of the same name; None when they were not asked for. workload: an object of one
    of SETS or of `kinds.EXPLAINED`; pods are then those that it made, counts, or is mounted by. jobs: of a CronJob. problems:
    what keeps the gateway from routing the ingress. taken: objects that carry an App's name and are not its own. processes: of
    an App, one scene of kind "Process" for each process beside `web` that runs all the time. inside: by pod, for those that
    were looked into. claims: of pods without a node, those that have no volume. schedulers: by which names pods ask for placing
    here; () when that is not known. announcers: nodes that answer for a Service's addresses; None when that is not known, or matters
    not. is_advertised: whether there is anything that has addresses of pools announced. bindings: of an App.
    """

    kind: str
    name: str
    now: float
    app: Object | None = None
    build: Object | None = None
    deployment: Object | None = None
    workload: Object | None = None
    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    ingress: Object | None = None
    endpoints: Sequence[Object] | None = None
    problems: "Sequence[Problem]" = ()
    taken: Sequence[str] = ()
    notes: Sequence[Note] = field(default_factory=tuple)
    processes: Sequence["Scene"] = ()
    inside: Mapping[str, Inside] = field(default_factory=dict)
    claims: Sequence[Object] = ()
    jobs: Sequence[Object] = ()
    schedulers: Sequence[str] = ()
    announcers: Sequence[str] | None = None
    is_advertised: bool = False
    bindings: Sequence[Object] = ()

    @property
    def app_name(self) -> str:
        """Of which app it is, for commands in advice."""
        return self.name if self.kind == "App" else meta.name(self.app) if self.app is not None else ""

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
        if self.kind == "Process":
            return f"process {self.name} of {self.app_name}"
        return self.name if self.kind == "App" else f"{self.kind.lower()} {self.name}"

    @property
    def verb(self) -> str:
        """What it does when all is well: `serves` where something listens, else `runs`."""
        return "runs" if self.kind in ("Process", *SETS) or (self.app is not None and not has_port(self.app)) else "serves"

    @property
    def owner(self) -> Object | None:
        """What keeps the number of pods."""
        return self.deployment or self.workload or newest(self.replica_sets)

    @property
    def wanted(self) -> int:
        """How many replicas there should be."""
        if self.kind == "DaemonSet":
            return count(self.workload, "desiredNumberScheduled")
        return int((self.owner or {"spec": {}})["spec"].get("replicas", 1))

    @property
    def current_pods(self) -> list[Object]:
        """Those of the newest revision; of a set of pods that are replaced one by one, all."""
        if self.kind in ("Pod", *SETS):
            return list(self.pods)
        current = newest(self.replica_sets)
        return [p for p in self.pods if current is not None and (meta.controller_of(p) or {}).get("uid") == meta.uid(current)]

    @property
    def shows_newest_state(self) -> bool:
        """Whether the newest ReplicaSet is of the state that the Deployment asks for: one that is not made yet is not judged."""
        if self.deployment is None or (current := newest(self.replica_sets)) is None:
            return False
        observed = count(self.deployment, "observedGeneration") >= meta.generation(self.deployment)
        return observed and _state(self.deployment) == _state(current)

    def age_of(self, obj: Object | None) -> float:
        """Seconds since its creation."""
        created = ((obj or {}).get("metadata") or {}).get("creationTimestamp")
        return self.now - meta.parse_rfc3339(created) if created else 0.0


def newest(replica_sets: Sequence[Object]) -> Object | None:
    """The ReplicaSet of a Deployment's current revision."""

    def order(replica_set: Object) -> tuple[int, str]:
        number = meta.annotations(replica_set).get("deployment.kubernetes.io/revision", "")
        return natural(number) or 0, replica_set["metadata"].get("creationTimestamp") or ""

    return max(replica_sets, key=order, default=None)


def _state(obj: Object) -> str:
    """Of a Deployment's or ReplicaSet's pod template."""
    template = obj["spec"].get("template") or {}
    return meta.annotations(template).get(STATE, "") if template.get("metadata") else ""


def restarts(pod: Object) -> int:
    return sum(c.get("restartCount", 0) for c in (pod.get("status") or {}).get("containerStatuses") or ())


def count(obj: Object | None, name: str) -> int:
    return int(((obj or {}).get("status") or {}).get(name) or 0)


def ready_count(obj: Object | None) -> int:
    """How many pods of a set are ready."""
    return count(obj, "numberReady" if obj is not None and obj.get("kind") == "DaemonSet" else "readyReplicas")


def is_rolled_out(deployment: Object) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    observed = count(deployment, "observedGeneration") >= meta.generation(deployment)
    return observed and all(count(deployment, name) == wanted for name in ("replicas", "updatedReplicas", "availableReplicas"))
