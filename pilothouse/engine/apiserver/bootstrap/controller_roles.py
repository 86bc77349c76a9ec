"""The roles of the controllers, one service account each in kube-system.

Source: kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go, for the controllers that this cluster runs.
"""

from pilothouse.model.certificates import APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN
from pilothouse.model.cluster_network import GROUP as NETWORK
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import GROUP as LOAD_BALANCERS
from pilothouse.model.network_policies import GROUP as POLICIES
from pilothouse.model.policy import EVENTS, READ, cluster_role, rule
from pilothouse.model.snapshots import GROUP as SNAPSHOTS

_RULES: dict[str, tuple[Object, ...]] = {
    "deployment-controller": (
        rule("get list update watch", "deployments", "apps extensions"),
        rule("update", "deployments/status", "apps extensions"),
        rule("update", "deployments/finalizers", "apps extensions"),
        rule("create delete get list patch update watch", "replicasets", "apps extensions"),
        rule("get list update watch", "pods"),
        EVENTS,
    ),
    "replicaset-controller": (
        rule("get list update watch", "replicasets", "apps extensions"),
        rule("update", "replicasets/status", "apps extensions"),
        rule("update", "replicasets/finalizers", "apps extensions"),
        rule("create delete list patch watch", "pods"),
        EVENTS,
    ),
    "replication-controller": (
        rule("get list update watch", "replicationcontrollers"),
        rule("update", "replicationcontrollers/status"),
        rule("update", "replicationcontrollers/finalizers"),
        rule("create delete list patch watch", "pods"),
        EVENTS,
    ),
    "statefulset-controller": (
        rule(READ, "statefulsets", "apps"),
        rule("update", "statefulsets/status", "apps"),
        rule("update", "statefulsets/finalizers", "apps"),
        rule("create delete get list patch update watch", "pods"),
        rule("create delete get list patch update watch", "controllerrevisions", "apps"),
        rule("create delete get update", "persistentvolumeclaims"),
        EVENTS,
    ),
    "daemon-set-controller": (
        rule(READ, "daemonsets", "apps extensions"),
        rule("update", "daemonsets/status", "apps extensions"),
        rule("update", "daemonsets/finalizers", "apps extensions"),
        rule("list watch", "nodes"),
        rule("create delete list patch watch", "pods"),
        rule("create", "pods/binding"),
        rule("create delete get list patch update watch", "controllerrevisions", "apps"),
        EVENTS,
    ),
    "job-controller": (
        rule("get list patch update watch", "jobs", "batch"),
        rule("update", "jobs/status", "batch"),
        rule("update", "jobs/finalizers", "batch"),
        rule("create delete list patch watch", "pods"),
        EVENTS,
    ),
    "cronjob-controller": (
        rule("get list update watch", "cronjobs", "batch"),
        rule("create delete get list patch update watch", "jobs", "batch"),
        rule("update", "cronjobs/status", "batch"),
        rule("update", "cronjobs/finalizers", "batch"),
        rule("delete list", "pods"),
        EVENTS,
    ),
    "horizontal-pod-autoscaler": (
        rule("get list watch", "horizontalpodautoscalers", "autoscaling"),
        rule("update", "horizontalpodautoscalers/status", "autoscaling"),
        rule("get update", "*/scale", "*"),
        rule("list", "pods"),
        rule("list", "pods", "metrics.k8s.io"),
        rule("get list", "*", "custom.metrics.k8s.io"),
        rule("get list", "*", "external.metrics.k8s.io"),
        EVENTS,
    ),
    "ttl-after-finished-controller": (rule("delete get list watch", "jobs", "batch"), EVENTS),
    "namespace-controller": (
        rule("delete get list watch", "namespaces"),
        rule("update", "namespaces/finalize namespaces/status"),
        rule("delete deletecollection get list", "*", "*"),
    ),
    "service-account-controller": (rule("create", "serviceaccounts"), EVENTS),
    "root-ca-cert-publisher": (rule("create update", "configmaps"), EVENTS),
    "generic-garbage-collector": (rule("delete get list patch update watch", "*", "*"), EVENTS),
    "resourcequota-controller": (rule("list watch", "*", "*"), rule("update", "resourcequotas/status"), EVENTS),
    "endpoint-controller": (
        rule(READ, "pods services"),
        rule("create delete get list update", "endpoints"),
        rule("create", "endpoints/restricted"),
        EVENTS,
    ),
    "endpointslice-controller": (
        rule(READ, "nodes pods services"),
        rule("update", "services/finalizers"),
        rule("create delete get list update", "endpointslices", "discovery.k8s.io"),
        rule("create", "endpointslices/restricted", "discovery.k8s.io"),
        EVENTS,
    ),
    "endpointslicemirroring-controller": (
        rule(READ, "endpoints services"),
        rule("update", "endpoints/finalizers services/finalizers"),
        rule("create delete get list update", "endpointslices", "discovery.k8s.io"),
        rule("create", "endpointslices/restricted", "discovery.k8s.io"),
        EVENTS,
    ),
    "node-controller": (
        rule("delete get list patch update", "nodes"),
        rule("patch update", "nodes/status"),
        rule("patch update", "pods/status"),
        rule("delete list get", "pods"),
        EVENTS,
    ),
    "simulated-nodes": (
        rule("create delete", "nodes"),
        rule("patch", "nodes/status"),
        rule("delete", "pods"),
        rule("patch", "pods/status"),
        rule("create patch", "leases", "coordination.k8s.io"),
    ),
    "disruption-controller": (
        rule(READ, "deployments", "apps extensions"),
        rule(READ, "replicasets", "apps extensions"),
        rule(READ, "replicationcontrollers"),
        rule(READ, "poddisruptionbudgets", "policy"),
        rule(READ, "statefulsets", "apps"),
        rule("update", "poddisruptionbudgets/status", "policy"),
        rule("patch", "pods/status"),
        rule("get", "*/scale", "*"),
        EVENTS,
    ),
    "pod-garbage-collector": (
        rule("delete get list watch", "pods"),
        rule("get list", "nodes"),
        rule("patch", "pods/status"),
    ),
    "certificate-controller": (
        rule("delete get list update watch", "certificatesigningrequests", "certificates.k8s.io"),
        rule("update", "certificatesigningrequests/approval certificatesigningrequests/status", "certificates.k8s.io"),
        # Upstream approves for the second alone: nodes' service proxies, known by their subject, and kubelet APIs get theirs here, too.
        rule("approve", "signers", "certificates.k8s.io", f"{APISERVER_CLIENT} {KUBELET_CLIENT} {KUBELET_SERVING}"),
        rule("sign", "signers", "certificates.k8s.io", " ".join((APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN))),
        rule("create", "subjectaccessreviews", "authorization.k8s.io"),
        rule("get", "nodes"),
        EVENTS,
    ),
    # Without what upstream's binder needs for plug-ins that this cluster does not have.
    "persistent-volume-binder": (
        rule("create delete get list update watch", "persistentvolumes"),
        rule("update", "persistentvolumes/status"),
        rule("get list update watch", "persistentvolumeclaims"),
        rule("update", "persistentvolumeclaims/status"),
        rule(READ, "pods"),
        rule("get list", "nodes"),
        rule(READ, "storageclasses", "storage.k8s.io"),
        rule("get", "volumesnapshotcontents volumesnapshots", SNAPSHOTS),
        rule("list", "volumepopulators", "populator.storage.k8s.io"),
        EVENTS,
    ),
    "pvc-protection-controller": (rule("get list update watch", "persistentvolumeclaims"), rule(READ, "pods"), EVENTS),
    "pv-protection-controller": (rule("get list update watch", "persistentvolumes"), EVENTS),
    "ephemeral-volume-controller": (
        rule(READ, "pods"),
        rule("update", "pods/finalizers"),
        rule("create get list watch", "persistentvolumeclaims"),
        EVENTS,
    ),
    "expand-controller": (
        rule("get list patch update watch", "persistentvolumes"),
        rule("patch update", "persistentvolumeclaims/status"),
        rule(READ, "persistentvolumeclaims"),
        rule(READ, "storageclasses", "storage.k8s.io"),
        EVENTS,
    ),
    "attachdetach-controller": (
        rule("list watch", "persistentvolumeclaims persistentvolumes"),
        rule(READ, "nodes"),
        rule("patch update", "nodes/status"),
        rule("list watch", "pods"),
        rule("create delete get list watch", "volumeattachments", "storage.k8s.io"),
        rule(READ, "csidrivers", "storage.k8s.io"),
        rule(READ, "csinodes", "storage.k8s.io"),
        EVENTS,
    ),
    # What the stock sidecars do, for drivers that have asked for it. Secrets are those that classes and volumes name for their driver.
    "csi-provisioner": (
        rule("get patch update", "persistentvolumeclaims"),
        rule("create delete get patch", "persistentvolumes"),
        rule("get", "secrets"),
        rule("get", "volumesnapshotcontents volumesnapshots", SNAPSHOTS),
        rule("create delete patch", "csistoragecapacities", "storage.k8s.io"),
        EVENTS,
    ),
    "csi-attacher": (
        rule("patch", "persistentvolumes"),
        rule("get", "secrets"),
        rule("patch", "volumeattachments volumeattachments/status", "storage.k8s.io"),
    ),
    "csi-snapshotter": (
        rule("get", "secrets"),
        rule("get", "volumesnapshotclasses", SNAPSHOTS),
        rule("patch", "volumesnapshotcontents", SNAPSHOTS),
    ),
    "csi-resizer": (
        rule("patch", "persistentvolumeclaims/status persistentvolumes"),
        rule("get", "secrets"),
        EVENTS,
    ),
    "volumeattributesclass-protection-controller": (
        rule("get list watch", "persistentvolumeclaims"),
        rule("get list watch", "persistentvolumes"),
        rule("get list update watch", "volumeattributesclasses", "storage.k8s.io"),
        EVENTS,
    ),
    # Upstream's snapshot controller and the sidecar of a driver in one; the kinds are made by it.
    "snapshot-controller": (
        rule("create get patch", "customresourcedefinitions", "apiextensions.k8s.io"),
        rule("create", "volumesnapshotclasses", SNAPSHOTS),
        rule("update", "volumesnapshots", SNAPSHOTS),
        rule("update", "volumesnapshots/status volumesnapshotcontents/status", SNAPSHOTS),
        rule("create delete get update", "volumesnapshotcontents", SNAPSHOTS),
        rule("update", "persistentvolumeclaims"),
        EVENTS,
    ),
    # Upstream's service controller and MetalLB's controller in one; the kinds are made by it.
    "load-balancer-controller": (
        rule("create get patch", "customresourcedefinitions", "apiextensions.k8s.io"),
        rule("create get", "namespaces"),
        rule("patch", "services services/status"),
        rule("update", "ipaddresspools/status", LOAD_BALANCERS),
        rule("create get", "configurationstates", LOAD_BALANCERS),
        rule("update", "configurationstates/status", LOAD_BALANCERS),
        rule("delete", "servicel2statuses", LOAD_BALANCERS),
    ),
    # What it makes is the kind and its one object.
    "cluster-network-controller": (
        rule("create get patch", "customresourcedefinitions", "apiextensions.k8s.io"),
        rule("create get", "clusternetworks", NETWORK),
        rule("patch", "clusternetworks/status", NETWORK),
    ),
    # Makes the kind ClusterNetworkPolicy; nodes carry its objects out, and it says how many of them do.
    "cluster-policy-controller": (
        rule("create get patch", "customresourcedefinitions", "apiextensions.k8s.io"),
        rule("patch", "clusternetworkpolicies/status", POLICIES),
    ),
    # Shows at policies what nodes have dropped for them.
    "network-policy-reporter": (rule("patch", "networkpolicies", "networking.k8s.io"),),
    "clusterrole-aggregation-controller": (rule("escalate get list patch update watch", "clusterroles", "rbac.authorization.k8s.io"),),
}
CONTROLLERS = tuple(_RULES)


def controller_roles() -> list[Object]:
    return [cluster_role(f"system:controller:{name}", *rules) for name, rules in _RULES.items()]
