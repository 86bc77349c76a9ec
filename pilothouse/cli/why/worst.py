"""Which of an object's pods has trouble (pure)."""

from collections.abc import Sequence

from pilothouse.cli.why.claim_causes import of_claims
from pilothouse.cli.why.finding import Finding
from pilothouse.cli.why.pod_causes import NOTHING_SEEN, of_pod
from pilothouse.cli.why.scene import Scene, restarts
from pilothouse.cli.why.scheduler_causes import of_scheduler
from pilothouse.model import meta
from pilothouse.model.json import Object


def worst_of(scene: Scene, pods: Sequence[Object]) -> tuple[Object, Finding] | None:
    """Of those in which something is wrong, the one that was restarted most; None when nothing is."""
    for pod in sorted(pods, key=restarts, reverse=True):
        inside = scene.inside.get(meta.name(pod), NOTHING_SEEN)
        found = of_scheduler(scene, pod) or of_claims(scene, pod)
        found = found or of_pod(pod, scene.notes_of(pod), scene.now, scene.app_name, inside=inside)
        if found is not None:
            return pod, found
    return None
