"""How the pods of an app mount its volumes (pure).

A claim that the platform has made is mounted by its folder `data`, not by its root: what a file system has there (lost+found) is nobody's
data, and programs that are particular about the owner or the mode of their folder may change these. Pods belong to one more group, to
which that folder is given, so that an image that does not run as root can write to it.
"""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import objects
from pilothouse.platform.apps.volumes import spec
from pilothouse.platform.apps.volumes.claims import Claims, app_of, is_made, is_shared
from pilothouse.platform.apps.volumes.spec import Volume

GROUP = 1000
"""The group (gid) that volumes are given to, and that pods are members of beside their own."""
FOLDER = "data"
HOSTNAME = "kubernetes.io/hostname"
TOGETHER = "apps.pilothouse.dev/volumes-with"
"""Label of the pods that have to be on one node, since only one node can mount their volumes."""


def recreates(app: Object, process: str, claims: Claims) -> bool:
    """Whether the old pod of a process has to end before the new one starts: both would write to the same files."""
    return any(not volume.read_only and not is_shared(volume, claims) for volume in spec.of_process(app, process))


def labels(app: Object, process: str, claims: Claims) -> dict[str, str]:
    return {TOGETHER: _group(app, claims)} if _on_one_node(app, process, claims) else {}


def of_pod(app: Object, process: str, claims: Claims) -> Object:
    """Fields of the pod's spec but its security context; {} for a process without volumes."""
    mounted = spec.of_process(app, process)
    if not mounted:
        return {}
    found: Object = {"volumes": [{"name": each.name, "persistentVolumeClaim": {"claimName": each.claim}} for each in mounted]}
    if _on_one_node(app, process, claims):
        term = {"labelSelector": {"matchLabels": {TOGETHER: _group(app, claims)}}, "topologyKey": HOSTNAME}
        found["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return found


def security(app: Object, process: str) -> Object:
    """Fields of the pod's security context. The group is given once, not again at each start: programs may change what is theirs."""
    return {"fsGroup": GROUP, "fsGroupChangePolicy": "OnRootMismatch"} if spec.of_process(app, process) else {}


def of_container(app: Object, process: str, claims: Claims) -> list[Object]:
    return [_mount(each, claims) for each in spec.of_process(app, process)]


def filled(app: Object, process: str, claims: Claims) -> list[str]:
    """Names of the volumes that may begin with what the image has at their place: those that are mounted by a folder of their own."""
    return [each.name for each in spec.of_process(app, process) if not each.read_only and _mount(each, claims).get("subPath") == FOLDER]


def _mount(volume: Volume, claims: Claims) -> Object:
    mount: Object = {"name": volume.name, "mountPath": volume.path.rstrip("/")}
    mount |= {"readOnly": True} if volume.read_only else {}
    claim = claims.get(volume.claim)
    return mount | ({"subPath": FOLDER} if volume.is_own or (claim is not None and is_made(claim)) else {})


def _on_one_node(app: Object, process: str, claims: Claims) -> bool:
    return any(not is_shared(volume, claims) for volume in spec.of_process(app, process))


def _group(app: Object, claims: Claims) -> str:
    """The app's name. An app that mounts another's claim is of that one's group, and with a claim of nobody's of the claim's."""
    foreign = next((volume.claim for volume in spec.of(app) if not volume.is_own and not is_shared(volume, claims)), "")
    if not foreign:
        return meta.name(app)
    return app_of(claims.get(foreign) or {}) or objects.within(foreign, 63)
