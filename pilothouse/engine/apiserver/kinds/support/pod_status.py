"""Every field of a pod's status: what is written here, and what is not. How paths are written: see `table`.

Nothing of it is asked for by users, so nothing is judged.
"""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds.support.rule import Rule, inert
from pilothouse.engine.apiserver.kinds.support.table import Table, joined

_CONTAINERS = "{containerStatuses,initContainerStatuses,ephemeralContainerStatuses}[]"

HONOURED = f"""
hostIP hostIPs[].ip message observedGeneration phase podIP podIPs[].ip qosClass reason startTime
conditions[].{{lastProbeTime,lastTransitionTime,message,observedGeneration,reason,status,type}}
{_CONTAINERS}.{{allocatedResources,containerID,image,imageID,name,ready,restartCount,started,stopSignal}}
{_CONTAINERS}.{{lastState,state}}.running.startedAt
{_CONTAINERS}.{{lastState,state}}.terminated.{{containerID,exitCode,finishedAt,message,reason,startedAt}}
{_CONTAINERS}.{{lastState,state}}.waiting.{{message,reason}}
{_CONTAINERS}.resources.{{limits,requests}}
{_CONTAINERS}.volumeMounts[].{{mountPath,name,readOnly,recursiveReadOnly}}
"""


def _of_containers(path: str, why: str) -> dict[str, Rule]:
    kinds = ("containerStatuses", "ephemeralContainerStatuses", "initContainerStatuses")
    return {f"{kind}[].{path}": inert(why) for kind in kinds}


_NO_DEVICES = "there are no device drivers that claims could be made to"

INERT: Mapping[str, Rule] = {
    "allocatedResources": inert("resources of a running pod as a whole cannot be changed: they are those of the spec"),
    "resources": inert("resources of a running pod as a whole cannot be changed: they are those of the spec"),
    "nominatedNodeName": inert("no pod is evicted for the sake of another"),
    "resize": inert("the conditions PodResizePending and PodResizeInProgress say it"),
    "extendedResourceClaimStatus": inert(_NO_DEVICES),
    "nodeAllocatableResourceClaimStatuses": inert(_NO_DEVICES),
    "resourceClaimStatuses": inert(_NO_DEVICES),
    **_of_containers("allocatedResourcesStatus", _NO_DEVICES),
    **_of_containers("resources.claims", _NO_DEVICES),
    **_of_containers("lastState.terminated.signal", "the exit code says it: 128 and the signal"),
    **_of_containers("state.terminated.signal", "the exit code says it: 128 and the signal"),
    **_of_containers("user", "containerd before 2.0 does not say which groups a container's first process has"),
    **_of_containers("volumeMounts[].volumeStatus", "imageID of a container says which image it is; that of a volume is not told"),
}

POD_STATUS = Table(HONOURED, joined(INERT))
