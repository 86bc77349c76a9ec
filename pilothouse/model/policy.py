"""A short way to write policy rules, roles and bindings of the cluster's own down. Pure."""

from collections.abc import Sequence

from pilothouse.model.json import Object

AUTOUPDATE = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
RBAC = "rbac.authorization.k8s.io"

READ = "get list watch"
WRITE = "create delete deletecollection patch update"


def rule(verbs: str, resources: str, groups: str = "core", names: str = "") -> Object:
    """Words separated by blanks; the group `core` is the one without a name."""
    found: Object = {
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
    }
    return found | ({"resourceNames": names.split()} if names else {})


def paths(*urls: str) -> Object:
    return {"nonResourceURLs": list(urls), "verbs": ["get"]}


EVENTS = rule("create patch update", "events", "core events.k8s.io")


def cluster_role(name: str, *rules: Object, aggregate_to: str = "", aggregated: str = "") -> Object:
    """aggregate_to: the role that takes these rules in; aggregated: this role's rules are those that are aggregated to this name."""
    labels = dict(BOOTSTRAPPING)
    if aggregate_to:
        labels[f"{RBAC}/aggregate-to-{aggregate_to}"] = "true"
    role: Object = {"metadata": {"name": name, "labels": labels, "annotations": AUTOUPDATE}}
    if aggregated:
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {f"{RBAC}/aggregate-to-{aggregated}": "true"}}]}
    return role | {"rules": list(rules)}


def cluster_role_binding(name: str, role: str, subjects: Sequence[Object]) -> Object:
    binding: Object = {"metadata": {"name": name, "labels": BOOTSTRAPPING, "annotations": AUTOUPDATE}}
    if subjects:
        binding["subjects"] = list(subjects)
    return binding | {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}}
