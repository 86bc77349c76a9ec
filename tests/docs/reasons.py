"""Which words of the code are reasons, told apart by where they stand and how they are written."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "pilothouse"
NOT_SAID = ("platform/builds/detect",)
"""Folders whose words are names in users' sources, never reasons of objects."""
AREAS = ("engine/controllers", "engine/scheduler", "engine/node", "platform", "network")
_SEVERAL_WORDS = re.compile(r"(?:[A-Z][a-z]+|OOM|CIDR|PID|URL|SE|BGP|BIRD)(?:[A-Z][a-z]+|OOM|CIDR|PID|URL|IP|DNS)+")

_OTHERS = (
    "AbleToScale AllContainersRestarting AnnouncerConfig AnonPages AverageValue BGPSettings BackupStore BackendConfig BestEffort "
    "BlockDevice CharDevice ClientIP ClusterDNS ClusterDNSConfig ClusterFirst ClusterFirstWithHostNet ClusterIP "
    "ClusterNetworkPolicy ConfigMap ContainerResource ContainerStatus ContainersReady ControllerExpandVolume "
    "ControllerResizeInProgress ControllerRevision CoreDNS CorefileError CreateContainer CreateVolume CreationTime "
    "DefaultBinder DefaultPreemption DeleteOptions DeletionPolicy DirectoryOrCreate DiskPressure DisruptionAllowed "
    "DisruptionTarget DoNotSchedule DoesNotExist EndpointBarrier EndpointSlice ExecSync ExitCode ExposedPorts ExternalIP "
    "ExternalName FailIndex FailJob FailedTo FailureTarget FallbackToLogsOnError FileOrCreate FileSystemResizePending "
    "GetCapacity GetContainerEvents HasRoom HorizontalPodAutoscaler HostToContainer IfNotPresent IfPossible ImageFsInfo "
    "ImageLocality ImageStatus InProgress InterPodAffinity InternalIP KubeSchedulerConfiguration KubeletConfiguration "
    "LastError LeastAllocated ListContainerStats ListContainers ListImages ListPodSandbox LoadBalancer "
    "LoadBalancerAddressConflict MemAvailable MemFree MemTotal MemoryMax MemoryPressure ModifyVolumeError ModifyingVolume "
    "MostAllocated NamespaceContentRemaining NamespaceDeletionContentFailure NamespaceDeletionDiscoveryFailure "
    "NamespaceDeletionGroupVersionParsingFailure NamespaceFinalizersRemaining NamespaceTerminating NetworkPolicies "
    "NetworkPolicyConfig NetworkPolicyEnforced NetworkReady NetworkUnavailable NoExecute NoSchedule NodeBackends NodePort "
    "NodeResizeError NodeResizeInfeasible NodeResizePending NodeResourcesBalancedAllocation NodeResourcesFit NodeRoutes "
    "NodeRoutesConfig NodeTerm NodeUnschedulable NodeVolumeLimits NonIndexed NotIn NotRequired OnDelete OnFailure OnRootMismatch "
    "OrderedReady PIDPressure PersistentVolumeClaim PodAddressPressure PodInfo PodList PodNetwork PodNetworkConfig "
    "PodNetworkDegraded PodReadyToStartContainers PodResizeInProgress PodResizePending PodSandboxStatus PodScheduled "
    "PodTopologySpread PodWorker PreferClose PreferDualStack PreferNoSchedule PreferSameNode PreferSameZone PrioritySort "
    "PullImage ReadOnlyMany ReadWriteMany ReadWriteOnce ReadWriteOncePod ReadyToUse RemoveContainer RemoveImage "
    "RemovePodSandbox ReopenContainerLog ReplicaFailure ReplicaSet ReplicationController RequestedToCapacityRatio "
    "RequiredNodes RestartAllContainers RestartContainer RestoreSize RollingUpdate RouteSocket RunPodSandbox RuntimeDefault "
    "RuntimeReady ScalingActive ScalingLimited ScheduleAnyway SchedulingGates SelfTest ServiceAccount ServiceProxy "
    "ServiceProxyConfig SnapshotClass SnapshotContent SourcePVC SourceSnapshotContent StartContainer StatefulSet StopContainer "
    "StopPodSandbox StopSignal SuccessCriteriaMet TaintToleration TokenRequest TraceConfig UpdateContainerResources "
    "VolumeBinding VolumePopulator VolumeSnapshot VolumeSnapshotClass VolumeSnapshotContent VolumeSnapshotNamespace "
    "VolumeZone WorkingDir "
    "EntityTooLarge InitiateMultipartUploadResult InsufficientStorage InternalError IsTruncated NextContinuationToken "
    "NextKeyMarker NextUploadIdMarker NoSuchBucket NoSuchKey NoSuchUpload OperationAborted RequestTimeout RequestTimeTooSkewed "
    "ServiceUnavailable SlowDown UploadId"
)
NO_REASONS = frozenset(_OTHERS.split())
"""Kinds, types of conditions, values of fields, calls of the container runtime, plug-ins of the scheduler, words of S3."""


def in_code() -> dict[str, str]:
    """Every reason, with a file that holds it. A word of one hump counts only where a reason is said."""
    found: dict[str, str] = {}
    for area in AREAS:
        for path in sorted((PACKAGE / area).rglob("*.py")):
            place = path.relative_to(PACKAGE).as_posix()
            if not path.name.endswith("_pb2.py") and not place.startswith(NOT_SAID):
                tree = ast.parse(path.read_text())
                found |= dict.fromkeys((*_said(tree), *_words(tree)), str(path.relative_to(PACKAGE)))
    return found


def _words(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and _SEVERAL_WORDS.fullmatch(value) and value not in NO_REASONS:
            yield value


def _said(tree: ast.Module) -> Iterator[str]:
    """The reason of `say(..., "Normal" or "Warning", reason, ...)` and of `decide(obj, reason, ...)`, where it is plain text."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        values = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
        if node.func.attr == "say":
            place = next((index for index, value in enumerate(values) if value in ("Normal", "Warning")), len(values))
            yield from (str(value) for value in values[place + 1 : place + 2] if value)
        elif node.func.attr == "decide":
            yield from (str(value) for value in values[1:2] if value)
