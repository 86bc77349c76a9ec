"""Why a port of a Service leads nowhere, and whom its policies shut out: by its pods and EndpointSlices (pure).

`ph why` and `ph trace` say the same of it. Which pods and ports are endpoints is what the controller of EndpointSlices decides.
"""

from collections.abc import Iterator, Sequence

from pilothouse.cli.why.finding import Finding, State
from pilothouse.engine.controllers.endpoints import facts
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import is_local, serving_nodes, source_ranges

_MOST = 5
"""Names that one sentence has of a kind."""


def shut(ports: Sequence[Object], slices: Sequence[Object]) -> list[Object]:
    """Those of a Service's ports that lead nowhere."""
    served = {_key(each) for slice_ in slices if any(map(_takes, slice_.get("endpoints") or ())) for each in _listening(slice_)}
    return [each for each in ports if _key(each) not in served]


def of_port(service: Object, port: Object, pods: Sequence[Object], slices: Sequence[Object]) -> Finding | None:
    """None when it leads somewhere. pods: those that the Service's selector matches and that have not ended; slices: the Service's."""
    if not shut([port], slices):
        return None
    return _of_pods(service, port, pods) if facts.selector(service) else _of_slices(service, port, slices)


def no_pods(service: Object) -> Finding:
    shown = ",".join(f"{key}={value}" for key, value in facts.selector(service).items())
    return Finding((f"no pod has the labels {shown} of its selector",), "compare spec.selector with the pods' labels")


def none_ready(pods: Sequence[Object]) -> Finding:
    return Finding((f"none of its pods is ready ({_some([meta.name(pod) for pod in pods])})",), f"see `ph why pod/{meta.name(pods[0])}`")


def _of_pods(service: Object, port: Object, pods: Sequence[Object]) -> Finding:
    if not pods:
        return no_pods(service)
    if all(facts.target(port, pod) is None for pod in pods):
        return _no_named_port(port, pods)
    able = [pod for pod in pods if facts.target(port, pod) is not None]
    ready = [pod for pod in able if meta.is_true(pod, "Ready")]
    if not ready and not facts.publishes_not_ready(service):
        return none_ready(able)
    families = facts.families(service)
    if not any(facts.addresses(pod, family) for pod in ready or able for family in families):
        step = "set spec.ipFamilies to one that the pods have, or start them where there are such addresses"
        return Finding((f"none of its pods has an {' or '.join(families)} address",), step, State.NO_ROUTE)
    step = "look again in a moment; if it stays, `ph status` says whether the cluster's controllers run"
    return Finding(("its pods are ready, and its EndpointSlices do not have them yet",), step, State.NO_ROUTE)


def _no_named_port(port: Object, pods: Sequence[Object]) -> Finding:
    protocol = _protocol(port)
    named = [f"{each['name']} ({each['containerPort']}/{_protocol(each).lower()})" for each in _ports(pods) if each.get("name")]
    there = f"they have {_some(named)}" if named else "they name no ports"
    cause = f"no pod that it selects has a {protocol} port called {port['targetPort']}, the targetPort of its port {port['port']}: {there}"
    return Finding((cause,), "correct spec.ports[].targetPort, or name a port of the container so", State.NO_ROUTE)


def _of_slices(service: Object, port: Object, slices: Sequence[Object]) -> Finding:
    """Of a Service without a selector, whose endpoints somebody else writes."""
    name = meta.name(service)
    if not any(slice_.get("endpoints") for slice_ in slices):
        step = f"give it a selector, or write an EndpointSlice with the label kubernetes.io/service-name={name}"
        return Finding(("it has no selector, and there are no endpoints for it",), step, State.NO_ROUTE)
    if any(_key(each) == _key(port) for slice_ in slices for each in _listening(slice_)):
        return Finding(("none of its endpoints is ready",), "see conditions.ready in its EndpointSlices", State.NO_ROUTE)
    there = [_called(each) for slice_ in slices for each in slice_.get("ports") or ()]
    cause = f"it has no selector, and its endpoints have no {_called(port)}: they have {_some(there) or 'no ports'}"
    return Finding((cause,), "name the port in the Service as in its EndpointSlices or Endpoints", State.NO_ROUTE)


def kept_out(service: Object, slices: Sequence[Object]) -> list[str]:
    """Who does not reach the Service though it has endpoints, each with the way out."""
    spec, here = service.get("spec") or {}, _some(sorted(serving_nodes(slices)))
    found = []
    if here and is_internal_local(service):
        found.append(f"pods of other nodes than {here} do not reach it: {way_out('internalTrafficPolicy')}")
    if here and is_local(service):
        found.append(f"from outside only node {here} leads to it: {way_out('externalTrafficPolicy')}")
    if spec.get("type") == "LoadBalancer" and (ranges := source_ranges(service)):
        found.append(f"its load balancer takes packets from {_some(ranges)} alone (loadBalancerSourceRanges)")
    return found


def is_internal_local(service: Object) -> bool:
    return (service.get("spec") or {}).get("internalTrafficPolicy") == "Local"


def way_out(policy: str) -> str:
    return f"{policy} is Local (set it to Cluster, or run a pod on each node that is asked)"


def _listening(slice_: Object) -> list[Object]:
    return [each for each in slice_.get("ports") or () if each.get("port")]


def _key(port: Object) -> tuple[str, str]:
    """By which a port of a Service and one of its endpoints are the same."""
    return port.get("name") or "", _protocol(port)


def _takes(endpoint: Object) -> bool:
    """Whether it is given connections, be it for want of a better one."""
    conditions = endpoint.get("conditions") or {}
    is_ready = conditions.get("ready") is not False
    return is_ready or bool(conditions.get("serving") and conditions.get("terminating"))


def _ports(pods: Sequence[Object]) -> Iterator[Object]:
    for pod in pods:
        yield from facts.container_ports(pod)


def _protocol(port: Object) -> str:
    return str(port.get("protocol") or "TCP")


def _called(port: Object) -> str:
    return f"{_protocol(port)} port {'called ' + port['name'] if port.get('name') else 'without a name'}"


def _some(names: Sequence[str]) -> str:
    """Each once, and no more than a sentence can have."""
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:_MOST]) + (" and others" if len(unique) > _MOST else "")
