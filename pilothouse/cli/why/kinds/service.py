"""Why a Service has no address, is not reached at it, or leads nowhere (pure)."""

from pilothouse.cli.why.finding import SOON, Finding, State
from pilothouse.cli.why.scene import Scene
from pilothouse.cli.why.sentence import Why, told
from pilothouse.cli.why.service_causes import kept_out, no_pods, none_ready, of_port, shut
from pilothouse.cli.why.worst import worst_of
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import CLASS, ingress, is_balanced, is_local

_LATELY_S = 60.0
_NO_ADDRESS = "no address for this Service: "


def explain(scene: Scene) -> Why:
    service = scene.workload or {}
    spec = service.get("spec") or {}
    if spec.get("type") == "LoadBalancer" and not ingress(service):
        found = _without_address(scene, service)
        return told(f"{scene.subject} has no address", found) if found else Why(f"{scene.subject} waits for an address")
    if found := _unreached(scene, service):
        return told(f"{scene.subject} is not reached at {_addresses(service)}", found)
    if found := _without_pods(scene, service):
        return told(f"{scene.subject} leads nowhere", found)
    if ports := _without_endpoints(scene, service):
        which = scene.subject if len(ports) == len(spec["ports"]) else f"port {ports[0]['port']} of {scene.subject}"
        if found := of_port(service, ports[0], scene.pods, scene.endpoints or ()):
            return told(f"{which} leads nowhere", found)
    return Why(f"{scene.subject} {_well(scene, service)}", state=State.SERVING)


def _without_address(scene: Scene, service: Object) -> Finding | None:
    if not is_balanced(service):
        other = service["spec"]["loadBalancerClass"]
        step = f"install what serves that class, or make the Service anew without it, or with {CLASS}"
        return Finding((f"it asks for the load balancer class {other}, which is somebody else's",), step)
    said = [note for note in scene.notes_of(service) if note.reason == "AllocationFailed"]
    if not said:
        return None
    why, colon, step = said[-1].message.removeprefix(_NO_ADDRESS).rpartition(": ")
    if not colon:
        why, step = step, "change the Service, or the pools"
    return Finding((why,), step, certain_after_s=SOON)


def _unreached(scene: Scene, service: Object) -> Finding | None:
    """Of addresses of pools, which somebody has to answer for."""
    taken = [note for note in scene.notes_of(service) if note.reason == "AddressInUse" and scene.now - note.last < _LATELY_S]
    if taken:
        why, _, step = taken[-1].message.partition("; ")
        return Finding((why,), step or "take the address away from there, or out of the IPAddressPool")
    if scene.announcers is None or scene.announcers:
        return None
    if not scene.is_advertised:
        step = "make an L2Advertisement in the namespace metallb-system"
        return Finding(("no L2Advertisement or BGPAdvertisement has it announced",), step, certain_after_s=SOON)
    if is_local(service) and not any(meta.is_true(pod, "Ready") for pod in scene.pods):
        return Finding(("externalTrafficPolicy is Local", "only a node with a ready endpoint answers, and there is none"), _wait(scene))
    return None


def _without_pods(scene: Scene, service: Object) -> Finding | None:
    spec = service.get("spec") or {}
    if not spec.get("selector") or spec.get("type") == "ExternalName":
        return None
    if not scene.pods:
        return no_pods(service)
    if any(meta.is_true(pod, "Ready") for pod in scene.pods) or spec.get("publishNotReadyAddresses"):
        return None
    worst = worst_of(scene, scene.pods)
    return worst[1] if worst is not None else none_ready(scene.pods)


def _without_endpoints(scene: Scene, service: Object) -> list[Object]:
    """Ports that lead nowhere; none where the EndpointSlices may not be seen."""
    spec = service.get("spec") or {}
    return [] if scene.endpoints is None or spec.get("type") == "ExternalName" else shut(spec.get("ports") or (), scene.endpoints)


def _wait(scene: Scene) -> str:
    return f"see `ph why pod/{meta.name(scene.pods[0])}`" if scene.pods else "start a pod that its selector names"


def _well(scene: Scene, service: Object) -> str:
    where = _addresses(service) or (service.get("spec") or {}).get("clusterIP") or "names of DNS"
    by = f", for which {' and '.join(scene.announcers)} answers" if scene.announcers else ""
    shut_out = "".join(f"; {each}" for each in kept_out(service, scene.endpoints or ()))
    if not (service.get("spec") or {}).get("selector"):
        return f"is reached at {where}{by}{shut_out}"
    ready = sum(meta.is_true(pod, "Ready") for pod in scene.pods)
    return f"is reached at {where}{by}, and leads to {ready} of {len(scene.pods)} pod{'' if len(scene.pods) == 1 else 's'}{shut_out}"


def _addresses(service: Object) -> str:
    return ", ".join(each.get("ip") or each.get("hostname") or "" for each in ingress(service))
