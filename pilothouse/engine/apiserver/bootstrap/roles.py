"""The roles of every cluster. Pure. Source: kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go."""

from pilothouse.engine.apiserver.authz.aggregation import aggregated_rules
from pilothouse.engine.apiserver.bootstrap.controller_roles import controller_roles
from pilothouse.model.bootstrap_tokens import NODE_CONFIG
from pilothouse.model.certificates import APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import GROUP as LOAD_BALANCERS
from pilothouse.model.network_policies import GROUP as POLICIES
from pilothouse.model.node_objects import DNS_CONFIG
from pilothouse.model.policy import AUTOUPDATE, BOOTSTRAPPING, EVENTS, READ, WRITE, cluster_role, paths, rule
from pilothouse.model.scheduling import SCHEDULERS

_ANYTHING = rule("*", "*", "*")
_ANYWHERE: Object = {"nonResourceURLs": ["*"], "verbs": ["*"]}
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/")
_HEALTH = ("/flagz", "/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*", "/statusz")
CLUSTER_INFO_READER = "system:cluster-info-reader"
"""Of who has not signed in yet: reads where the cluster is and by which authority to know it."""
ENDPOINT_REPORT_READER = "pilothouse:endpoint-report-reader"
"""Of nodes' proxies: in Leases, to which endpoints that leave the proxies of others still route."""
DNS_CONFIG_READER = "pilothouse:dns-config-reader"
"""Of nodes' DNS servers: the one ConfigMap that they are configured by."""
POLICY_READER = "pilothouse:network-policy-reader"
NETWORK_READER = "pilothouse:cluster-network-reader"
"""Of nodes' proxies, which carry out NetworkPolicies, too: who the pods are that these name."""
LOAD_BALANCER_READER = "pilothouse:load-balancer-reader"
"""Of nodes' proxies, which know by it for which addresses their node is to answer."""
BGP_READER = "pilothouse:bgp-reader"
"""Of nodes' proxies, with which their BGP reads: with which routers they speak, and what these are told."""
LOAD_BALANCER_ANNOUNCER = "pilothouse:load-balancer-announcer"
"""Of nodes: to say for which Services they answer."""
NODE_VOLUMES = "pilothouse:node-volumes"
NODE_CONFIG_READER = "pilothouse:node-config-reader"
SCHEDULERS_READER = "pilothouse:schedulers-reader"
"""Of who has a bootstrap token for nodes."""
_ISSUER = ("/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/")
_REVIEWS = (rule("create", "tokenreviews", "authentication.k8s.io"), rule("create", "subjectaccessreviews", "authorization.k8s.io"))


def cluster_roles() -> list[Object]:
    """Aggregated roles come with their rules filled in."""
    roles = [*_people(), *_aggregates(), *_everybody(), *_components(), *controller_roles()]
    # A role may aggregate roles that are aggregated themselves: view into edit into admin.
    for _ in range(3):
        roles = [role | {"rules": aggregated_rules(role, roles)} if "aggregationRule" in role else role for role in roles]
    return roles


def _people() -> list[Object]:
    return [
        cluster_role("cluster-admin", _ANYTHING, _ANYWHERE),
        cluster_role("admin", aggregated="admin"),
        cluster_role("edit", aggregated="edit", aggregate_to="admin"),
        cluster_role("view", aggregated="view", aggregate_to="edit"),
    ]


def _aggregates() -> list[Object]:
    workloads = "daemonsets deployments deployments/rollback deployments/scale"
    replicas = "replicasets replicasets/scale"
    return [
        cluster_role(
            "system:aggregate-to-admin",
            rule("create", "localsubjectaccessreviews", "authorization.k8s.io"),
            rule("create delete deletecollection get list patch update watch", "rolebindings roles", "rbac.authorization.k8s.io"),
            aggregate_to="admin",
        ),
        cluster_role(
            "system:aggregate-to-edit",
            rule(READ, "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
            rule("impersonate", "serviceaccounts"),
            rule(WRITE, "pods pods/attach pods/exec pods/portforward pods/proxy"),
            rule("create", "pods/eviction"),
            rule(
                WRITE,
                "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale"
                " secrets serviceaccounts services services/proxy",
            ),
            rule("create", "serviceaccounts/token"),
            rule(WRITE, f"{workloads} {replicas} statefulsets statefulsets/scale", "apps"),
            rule(WRITE, "horizontalpodautoscalers", "autoscaling"),
            rule(WRITE, "cronjobs jobs", "batch"),
            rule(WRITE, f"{workloads} ingresses networkpolicies {replicas} replicationcontrollers/scale", "extensions"),
            rule(WRITE, "poddisruptionbudgets", "policy"),
            rule(WRITE, "ingresses networkpolicies", "networking.k8s.io"),
            rule("create delete deletecollection get list patch update watch", "leases", "coordination.k8s.io"),
            rule(WRITE, "resourceclaims resourceclaimtemplates", "resource.k8s.io"),
            rule(WRITE, "events", "core events.k8s.io"),
            aggregate_to="edit",
        ),
        _to_view(),
        # Source: metrics-server's manifests.
        cluster_role("system:aggregated-metrics-reader", rule(READ, "nodes pods", "metrics.k8s.io"), aggregate_to="view"),
    ]


def _to_view() -> Object:
    workloads = "daemonsets daemonsets/status deployments deployments/scale deployments/status"
    replicas = "replicasets replicasets/scale replicasets/status"
    return cluster_role(
        "system:aggregate-to-view",
        rule(
            READ,
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
            " replicationcontrollers/scale serviceaccounts services services/status",
        ),
        rule(
            READ,
            "bindings limitranges namespaces/status pods/log pods/status"
            " replicationcontrollers/status resourcequotas resourcequotas/status",
        ),
        rule(READ, "namespaces"),
        rule(READ, "endpointslices", "discovery.k8s.io"),
        rule(READ, f"controllerrevisions {workloads} {replicas} statefulsets statefulsets/scale statefulsets/status", "apps"),
        rule(READ, "horizontalpodautoscalers horizontalpodautoscalers/status", "autoscaling"),
        rule(READ, "cronjobs cronjobs/status jobs jobs/status", "batch"),
        rule(READ, f"{workloads} ingresses ingresses/status networkpolicies {replicas} replicationcontrollers/scale", "extensions"),
        rule(READ, "poddisruptionbudgets poddisruptionbudgets/status", "policy"),
        rule(READ, "ingresses ingresses/status networkpolicies", "networking.k8s.io"),
        rule(READ, "resourceclaims resourceclaims/status resourceclaimtemplates", "resource.k8s.io"),
        rule(READ, "events", "core events.k8s.io"),
        aggregate_to="view",
    )


def _everybody() -> list[Object]:
    return [
        cluster_role("system:discovery", paths(*_DISCOVERY)),
        cluster_role(
            "system:basic-user",
            rule("create", "selfsubjectaccessreviews selfsubjectrulesreviews", "authorization.k8s.io"),
            rule("create", "selfsubjectreviews", "authentication.k8s.io"),
        ),
        cluster_role("system:public-info-viewer", paths("/healthz", "/livez", "/readyz", "/version", "/version/")),
        cluster_role("system:monitoring", paths(*_HEALTH), rule("get", "nodes/metrics")),
        cluster_role("system:service-account-issuer-discovery", paths(*_ISSUER)),
        cluster_role("system:auth-delegator", *_REVIEWS),
    ]


def _components() -> list[Object]:
    signers = "certificates.k8s.io"
    return [
        cluster_role("system:node", *node_rules()),
        cluster_role(
            "system:kubelet-api-admin",
            rule(READ, "nodes"),
            rule("proxy", "nodes"),
            rule("*", "nodes/log nodes/metrics nodes/proxy nodes/stats"),
            rule("*", "nodes/configz nodes/healthz nodes/pods"),
        ),
        cluster_role(
            "system:node-proxier",
            rule("list watch", "endpoints services"),
            rule(READ, "nodes"),
            EVENTS,
            rule("list watch", "endpointslices", "discovery.k8s.io"),
            rule("list watch", "servicecidrs", "networking.k8s.io"),
        ),
        _scheduler(),
        cluster_role(
            "system:kube-controller-manager",
            EVENTS,
            rule("create", "leases", "coordination.k8s.io"),
            rule("get update", "leases", "coordination.k8s.io", "kube-controller-manager"),
            rule("create", "secrets serviceaccounts"),
            rule("delete", "secrets"),
            rule("get", "configmaps namespaces secrets serviceaccounts"),
            rule("update", "secrets serviceaccounts"),
            *_REVIEWS,
            rule("list watch", "*", "*"),
            rule("create", "serviceaccounts/token"),
        ),
        cluster_role(
            "system:cluster-dns",
            rule("list watch", "namespaces services"),
            rule("list watch", "endpointslices", "discovery.k8s.io"),
        ),
        cluster_role("system:kube-dns", rule("list watch", "endpoints services")),
        cluster_role(
            "system:volume-scheduler",
            rule("get list patch update watch", "persistentvolumes"),
            rule(READ, "storageclasses", "storage.k8s.io"),
            rule("get list patch update watch", "persistentvolumeclaims"),
        ),
        cluster_role(NETWORK_READER, rule("list watch", "clusternetworks", "network.pilothouse.dev")),
        cluster_role(
            POLICY_READER,
            rule("list watch", "namespaces pods"),
            rule("list watch", "networkpolicies", "networking.k8s.io"),
            rule("list watch", "clusternetworkpolicies", POLICIES),
        ),
        cluster_role(LOAD_BALANCER_READER, rule("list watch", "ipaddresspools l2advertisements servicel2statuses", LOAD_BALANCERS)),
        cluster_role(BGP_READER, rule("list watch", "bgppeers bgpadvertisements communities ipaddresspools", LOAD_BALANCERS)),
        cluster_role(
            LOAD_BALANCER_ANNOUNCER,
            rule("create delete", "servicel2statuses", LOAD_BALANCERS),
            rule("patch", "servicel2statuses/status", LOAD_BALANCERS),
        ),
        # Who joins learns that its name is taken before it asks for a certificate, as with kubeadm:get-nodes.
        cluster_role("pilothouse:get-nodes", rule("get", "nodes")),
        # Of the API server's client towards nodes: has them make, grow and remove the volumes that lie on them.
        cluster_role(NODE_VOLUMES, rule("create", "nodes/csi"), rule("delete get update", "nodes/volumes")),
        cluster_role("system:node-bootstrapper", rule("create get list watch", "certificatesigningrequests", signers)),
        *(
            cluster_role(
                f"system:{signers}:certificatesigningrequests:{kind}", rule("create", f"certificatesigningrequests/{kind}", signers)
            )
            for kind in ("nodeclient", "selfnodeclient")
        ),
        *(
            cluster_role(f"system:{signers}:{signer.rpartition('/')[2]}-approver", rule("approve", "signers", signers, signer))
            for signer in (APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN)
        ),
    ]


def node_rules() -> list[Object]:
    """What a node may do by itself; the node authorizer narrows it to what is the node's own."""
    return [
        rule("create", "tokenreviews", "authentication.k8s.io"),
        rule("create", "localsubjectaccessreviews subjectaccessreviews", "authorization.k8s.io"),
        rule(READ, "services"),
        rule("create get list watch", "nodes"),
        rule("patch update", "nodes/status"),
        rule("patch update", "nodes"),
        EVENTS,
        rule(READ, "pods"),
        rule("create delete", "pods"),
        rule("patch update", "pods/status"),
        rule("create", "pods/eviction"),
        rule(READ, "configmaps secrets"),
        rule("get", "persistentvolumeclaims persistentvolumes"),
        rule("get", "endpoints"),
        rule("create get list watch", "certificatesigningrequests", "certificates.k8s.io"),
        rule("create delete get patch update", "leases", "coordination.k8s.io"),
        rule("get", "volumeattachments", "storage.k8s.io"),
        rule("create", "serviceaccounts/token"),
        rule("get", "serviceaccounts"),
        rule("get patch update", "persistentvolumeclaims/status"),
        rule(READ, "csidrivers", "storage.k8s.io"),
        rule("create delete get patch update", "csinodes", "storage.k8s.io"),
        rule(READ, "runtimeclasses", "node.k8s.io"),
        rule("get", "resourceclaims", "resource.k8s.io"),
        rule("deletecollection", "resourceslices", "resource.k8s.io"),
    ]


def _scheduler() -> Object:
    devices = "resource.k8s.io"
    return cluster_role(
        "system:kube-scheduler",
        EVENTS,
        rule("create", "leases", "coordination.k8s.io"),
        rule("get list update watch", "leases", "coordination.k8s.io", "kube-scheduler"),
        rule("create delete deletecollection get list patch update watch", "leasecandidates", "coordination.k8s.io"),
        rule(READ, "nodes"),
        rule("delete get list watch", "pods"),
        rule("create", "bindings pods/binding"),
        rule("patch update", "pods/status"),
        rule("update", "pods/finalizers"),
        rule(READ, "replicationcontrollers services"),
        rule(READ, "replicasets", "apps extensions"),
        rule(READ, "statefulsets", "apps"),
        rule(READ, "poddisruptionbudgets", "policy"),
        rule(READ, "persistentvolumeclaims persistentvolumes"),
        *_REVIEWS,
        rule(READ, "csinodes", "storage.k8s.io"),
        rule(READ, "csidrivers", "storage.k8s.io"),
        rule(READ, "csistoragecapacities", "storage.k8s.io"),
        rule(READ, "volumeattachments", "storage.k8s.io"),
        rule(READ, "namespaces"),
        rule(READ, "deviceclasses", devices),
        rule("create delete", "resourceclaims", devices),
        rule("get list patch update watch", "resourceclaims", devices),
        rule("get list patch update watch", "resourceclaims/status", devices),
        rule("patch update", "resourceclaims/binding", devices),
        rule(READ, "resourceslices", devices),
    )


def roles() -> list[Object]:
    """The roles inside kube-system and kube-public."""
    reader = "extension-apiserver-authentication"
    return [
        _role("kube-system", f"{reader}-reader", rule(READ, "configmaps", names=reader)),
        _role("kube-system", "system:controller:bootstrap-signer", rule(READ, "secrets")),
        _role("kube-system", ENDPOINT_REPORT_READER, rule("list watch", "leases", "coordination.k8s.io")),
        _role("kube-system", DNS_CONFIG_READER, rule("list watch", "configmaps", names=DNS_CONFIG)),
        _role("kube-system", NODE_CONFIG_READER, rule("get", "configmaps", names=NODE_CONFIG)),
        _role("kube-system", "system:controller:token-cleaner", rule("delete get list watch", "secrets"), EVENTS),
        _role(
            "kube-public",
            "system:controller:bootstrap-signer",
            rule(READ, "configmaps"),
            rule("update", "configmaps", names="cluster-info"),
            EVENTS,
        ),
        _role("kube-public", CLUSTER_INFO_READER, rule("get", "configmaps", names="cluster-info")),
        _role("kube-public", SCHEDULERS_READER, rule("get", "configmaps", names=SCHEDULERS)),
    ]


def _role(namespace: str, name: str, *rules: Object) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": BOOTSTRAPPING, "annotations": AUTOUPDATE}
    return {"metadata": metadata, "rules": list(rules)}
