"""The built-in kinds that clients of the API name in code. Which of them an API server serves is its own matter."""

from pilothouse.model.resource import Resource

_STATUS = ("status",)

PODS = Resource(
    "",
    "v1",
    "pods",
    "Pod",
    singular="pod",
    short_names=("po",),
    categories=("all",),
    subresources=("status", "ephemeralcontainers", "resize", "binding", "eviction", "log", "exec", "attach", "portforward", "proxy"),
)
SERVICES = Resource(
    "", "v1", "services", "Service", singular="service", short_names=("svc",), categories=("all",), subresources=("status", "proxy")
)
NAMESPACES = Resource(
    "",
    "v1",
    "namespaces",
    "Namespace",
    namespaced=False,
    singular="namespace",
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=("status", "finalize"),
)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False, singular="node", short_names=("no",), subresources=("status", "proxy"))
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap", singular="configmap", short_names=("cm",))
SECRETS = Resource("", "v1", "secrets", "Secret", singular="secret")
SERVICEACCOUNTS = Resource(
    "", "v1", "serviceaccounts", "ServiceAccount", singular="serviceaccount", short_names=("sa",), subresources=("token",)
)
EVENTS = Resource("", "v1", "events", "Event", singular="event", short_names=("ev",))
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", singular="endpoints", short_names=("ep",))
RESOURCEQUOTAS = Resource(
    "", "v1", "resourcequotas", "ResourceQuota", singular="resourcequota", short_names=("quota",), subresources=_STATUS
)
LIMITRANGES = Resource("", "v1", "limitranges", "LimitRange", singular="limitrange", short_names=("limits",))
BINDINGS = Resource("", "v1", "bindings", "Binding", singular="binding", verbs=("create",))
COMPONENTSTATUSES = Resource(
    "",
    "v1",
    "componentstatuses",
    "ComponentStatus",
    namespaced=False,
    singular="componentstatus",
    short_names=("cs",),
    verbs=("get", "list"),
)
PODTEMPLATES = Resource("", "v1", "podtemplates", "PodTemplate", singular="podtemplate")
PERSISTENTVOLUMES = Resource(
    "",
    "v1",
    "persistentvolumes",
    "PersistentVolume",
    namespaced=False,
    singular="persistentvolume",
    short_names=("pv",),
    subresources=_STATUS,
)
PERSISTENTVOLUMECLAIMS = Resource(
    "",
    "v1",
    "persistentvolumeclaims",
    "PersistentVolumeClaim",
    singular="persistentvolumeclaim",
    short_names=("pvc",),
    subresources=_STATUS,
)
REPLICATIONCONTROLLERS = Resource(
    "",
    "v1",
    "replicationcontrollers",
    "ReplicationController",
    singular="replicationcontroller",
    short_names=("rc",),
    categories=("all",),
    subresources=("status", "scale"),
)

DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "deployments",
    "Deployment",
    singular="deployment",
    short_names=("deploy",),
    categories=("all",),
    subresources=("status", "scale"),
)
REPLICASETS = Resource(
    "apps",
    "v1",
    "replicasets",
    "ReplicaSet",
    singular="replicaset",
    short_names=("rs",),
    categories=("all",),
    subresources=("status", "scale"),
)
STATEFULSETS = Resource(
    "apps",
    "v1",
    "statefulsets",
    "StatefulSet",
    singular="statefulset",
    short_names=("sts",),
    categories=("all",),
    subresources=("status", "scale"),
)
DAEMONSETS = Resource(
    "apps", "v1", "daemonsets", "DaemonSet", singular="daemonset", short_names=("ds",), categories=("all",), subresources=_STATUS
)
CONTROLLERREVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision", singular="controllerrevision")
JOBS = Resource("batch", "v1", "jobs", "Job", singular="job", categories=("all",), subresources=_STATUS)
CRONJOBS = Resource(
    "batch", "v1", "cronjobs", "CronJob", singular="cronjob", short_names=("cj",), categories=("all",), subresources=_STATUS
)
HORIZONTALPODAUTOSCALERS = Resource(
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources=_STATUS,
)
HORIZONTALPODAUTOSCALERS_V1 = Resource(
    "autoscaling",
    "v1",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources=_STATUS,
)
PODDISRUPTIONBUDGETS = Resource(
    "policy",
    "v1",
    "poddisruptionbudgets",
    "PodDisruptionBudget",
    singular="poddisruptionbudget",
    short_names=("pdb",),
    subresources=_STATUS,
)
STORAGECLASSES = Resource(
    "storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, singular="storageclass", short_names=("sc",)
)
CSIDRIVERS = Resource("storage.k8s.io", "v1", "csidrivers", "CSIDriver", namespaced=False, singular="csidriver")
CSINODES = Resource("storage.k8s.io", "v1", "csinodes", "CSINode", namespaced=False, singular="csinode")
VOLUMEATTACHMENTS = Resource(
    "storage.k8s.io",
    "v1",
    "volumeattachments",
    "VolumeAttachment",
    namespaced=False,
    singular="volumeattachment",
    subresources=_STATUS,
)
CSISTORAGECAPACITIES = Resource("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", singular="csistoragecapacity")
VOLUMEATTRIBUTESCLASSES = Resource(
    "storage.k8s.io",
    "v1",
    "volumeattributesclasses",
    "VolumeAttributesClass",
    namespaced=False,
    singular="volumeattributesclass",
    short_names=("vac",),
)

INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress", singular="ingress", short_names=("ing",), subresources=_STATUS)
NETWORKPOLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", singular="networkpolicy", short_names=("netpol",))
INGRESSCLASSES = Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False, singular="ingressclass")
SERVICECIDRS = Resource(
    "networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", namespaced=False, singular="servicecidr", subresources=_STATUS
)
IPADDRESSES = Resource("networking.k8s.io", "v1", "ipaddresses", "IPAddress", namespaced=False, singular="ipaddress", short_names=("ip",))
ENDPOINTSLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", singular="endpointslice")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", singular="lease")
EVENTS_V1 = Resource("events.k8s.io", "v1", "events", "Event", singular="event", short_names=("ev",))
PRIORITYCLASSES = Resource(
    "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False, singular="priorityclass", short_names=("pc",)
)
RUNTIMECLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False, singular="runtimeclass")

CERTIFICATESIGNINGREQUESTS = Resource(
    "certificates.k8s.io",
    "v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    namespaced=False,
    singular="certificatesigningrequest",
    short_names=("csr",),
    subresources=("approval", "status"),
)

ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", singular="role")
ROLEBINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", singular="rolebinding")
CLUSTERROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False, singular="clusterrole")
CLUSTERROLEBINDINGS = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False, singular="clusterrolebinding"
)

CRDS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
    singular="customresourcedefinition",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=_STATUS,
)

MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
    singular="mutatingwebhookconfiguration",
    categories=("api-extensions",),
)
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
    singular="validatingwebhookconfiguration",
    categories=("api-extensions",),
)

APISERVICES = Resource(
    "apiregistration.k8s.io",
    "v1",
    "apiservices",
    "APIService",
    namespaced=False,
    singular="apiservice",
    categories=("api-extensions",),
    subresources=_STATUS,
)

_MEASURED = ("get", "list")
NODEMETRICS = Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", namespaced=False, verbs=_MEASURED)
PODMETRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", verbs=_MEASURED)

_REVIEW = ("create",)
TOKENREVIEWS = Resource(
    "authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False, singular="tokenreview", verbs=_REVIEW
)
SELFSUBJECTREVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, singular="selfsubjectreview", verbs=_REVIEW
)
SUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "subjectaccessreviews",
    "SubjectAccessReview",
    namespaced=False,
    singular="subjectaccessreview",
    verbs=_REVIEW,
)
LOCALSUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "localsubjectaccessreviews",
    "LocalSubjectAccessReview",
    singular="localsubjectaccessreview",
    verbs=_REVIEW,
)
SELFSUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
    singular="selfsubjectaccessreview",
    verbs=_REVIEW,
)
SELFSUBJECTRULESREVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectrulesreviews",
    "SelfSubjectRulesReview",
    namespaced=False,
    singular="selfsubjectrulesreview",
    verbs=_REVIEW,
)

BUILT_IN: tuple[Resource, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Resource))
