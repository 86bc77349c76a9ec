"""Which container of a pod a client means, and whether its node can be reached."""

from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.nodes import NodeConnector
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write import storage
from pilothouse.model.errors import BadRequest, Unavailable
from pilothouse.model.json import Object

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def pod_of(backend: Backend, request: ApiRequest, served: ServedResource) -> Object:
    """Raises NotFound."""
    return storage.existing(backend.store, served, request.namespace, request.name).value


def choose(pod: Object, asked: str) -> str:
    """The container's name; raises BadRequest when there is none of that name, or several and none was named."""
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    main = [container["name"] for container in spec.get("containers") or ()]
    initial = [container["name"] for container in spec.get("initContainers") or ()]
    passing = [container["name"] for container in spec.get("ephemeralContainers") or ()]
    if not asked:
        stated = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER)
        if stated in main:
            return str(stated)
        if len(main) == 1 and not initial and not passing:
            return str(main[0])
        if len(main) == 1 and initial:
            choice = f"{_go_list(main)} or one of the init containers: {_go_list(initial)}"
            raise BadRequest(f"a container name must be specified for pod {name}, choose one of: {choice}")
        raise BadRequest(f"a container name must be specified for pod {name}, choose one of: {_go_list(main)}")
    if asked not in (*main, *initial, *passing):
        raise BadRequest(f"container {asked} is not valid for pod {name}")
    return asked


def _go_list(names: list[str]) -> str:
    return "[" + " ".join(names) + "]"


def scheduled(pod: Object) -> bool:
    return bool((pod.get("spec") or {}).get("nodeName"))


def connector(backend: Backend, pod: Object) -> NodeConnector:
    """Raises BadRequest for a pod that has no node yet, Unavailable where no node can be reached."""
    name = pod["metadata"]["name"]
    if not scheduled(pod):
        raise BadRequest(f"pod {name} does not have a host assigned")
    if backend.nodes is None:
        raise Unavailable(f"the node of pod {name} cannot be reached from this server")
    return backend.nodes


def check_running(pod: Object) -> None:
    """Raises BadRequest for a pod whose containers have ended for good."""
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise BadRequest(f"cannot exec into a container in a completed pod; current phase is {phase}")
