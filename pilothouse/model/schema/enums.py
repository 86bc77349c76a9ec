"""Fields of built-in kinds that take one of a few words, for OpenAPI: the definitions that are read from a file do not name them.

Only for show. What a field takes is judged by its kind's validation, in words of its own.
Source: the `+enum` types of k8s.io/api, as `kubectl explain` lists them.
"""

from collections.abc import Mapping

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL = ("Always", "IfNotPresent", "Never")
_MESSAGE = ("FallbackToLogsOnError", "File")
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_HONOR = ("Honor", "Ignore")
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_CONTAINER = {"imagePullPolicy": _PULL, "terminationMessagePolicy": _MESSAGE}

_CORE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AppArmorProfile": {"type": _PROFILES},
    "Container": _CONTAINER,
    "ContainerPort": {"protocol": _PROTOCOLS},
    "EndpointPort": {"protocol": _PROTOCOLS},
    "EphemeralContainer": _CONTAINER,
    "HTTPGetAction": {"scheme": ("HTTP", "HTTPS")},
    "HostPathVolumeSource": {
        "type": ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
    },
    "NamespaceStatus": {"phase": ("Active", "Terminating")},
    "NodeSelectorRequirement": {"operator": ("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")},
    "PodSpec": {
        "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        "preemptionPolicy": ("Never", "PreemptLowerPriority"),
        "restartPolicy": ("Always", "Never", "OnFailure"),
    },
    "PodStatus": {
        "phase": ("Failed", "Pending", "Running", "Succeeded", "Unknown"),
        "qosClass": ("BestEffort", "Burstable", "Guaranteed"),
    },
    "SeccompProfile": {"type": _PROFILES},
    "ServicePort": {"protocol": _PROTOCOLS},
    "ServiceSpec": {
        "externalTrafficPolicy": ("Cluster", "Local"),
        "internalTrafficPolicy": ("Cluster", "Local"),
        "ipFamilies": ("", "IPv4", "IPv6"),
        "ipFamilyPolicy": ("PreferDualStack", "RequireDualStack", "SingleStack"),
        "sessionAffinity": ("ClientIP", "None"),
        "type": ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
    },
    "Taint": {"effect": _EFFECTS},
    "Toleration": {"effect": _EFFECTS},
    "TopologySpreadConstraint": {
        "nodeAffinityPolicy": _HONOR,
        "nodeTaintsPolicy": _HONOR,
        "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    },
}
_OTHERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "apps.v1.DeploymentStrategy": {"type": ("Recreate", "RollingUpdate")},
    "batch.v1.JobSpec": {"completionMode": ("Indexed", "NonIndexed"), "podReplacementPolicy": ("Failed", "TerminatingOrFailed")},
    "batch.v1.PodFailurePolicyOnExitCodesRequirement": {"operator": ("In", "NotIn")},
    "batch.v1.PodFailurePolicyRule": {"action": ("Count", "FailIndex", "FailJob", "Ignore")},
    "discovery.v1.EndpointSlice": {"addressType": ("FQDN", "IPv4", "IPv6")},
    "networking.v1.HTTPIngressPath": {"pathType": ("Exact", "ImplementationSpecific", "Prefix")},
}
ENUMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    **{f"io.k8s.api.core.v1.{name}": fields for name, fields in _CORE.items()},
    **{f"io.k8s.api.{name}": fields for name, fields in _OTHERS.items()},
}
"""By definition and field; of a field that is a list, what its elements take. Sorted."""
