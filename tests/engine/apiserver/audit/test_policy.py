"""The rules of a policy: the first that matches counts."""

import pytest

from pilothouse.engine.apiserver.audit import policy_file
from pilothouse.engine.apiserver.audit.policy import Level, Policy
from pilothouse.engine.apiserver.audit.policy_file import PolicyError, parsed
from pilothouse.engine.apiserver.identity import ANONYMOUS, AUTHENTICATED, User, controller, service_account
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.apiserver.request.routing import verb_of
from tests.people import platform_part

ANN = User("ann", ("devs", AUTHENTICATED))
HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"


def policy(rules: str) -> Policy:
    """The rules as one line of YAML."""
    return parsed(f"{HEAD}rules: [{rules}, {{level: RequestResponse}}]".encode())


def level(found: Policy, method: str, path: str, user: User | None = ANN) -> Level:
    target = routing.parse(path)
    return found.decide(target, verb_of(method, target), user).level


@pytest.mark.parametrize(
    ("condition", "path", "matches"),
    [
        ("users: [ann]", "/api/v1/pods", True),
        ("users: [bob]", "/api/v1/pods", False),
        ("userGroups: [ops, devs]", "/api/v1/pods", True),
        ("userGroups: [ops]", "/version", False),
        ("verbs: [list]", "/api/v1/pods", True),
        ("verbs: [get]", "/api/v1/pods", False),
        ("namespaces: [shop]", "/api/v1/namespaces/shop/pods", True),
        ("namespaces: ['']", "/api/v1/nodes", True),
        ("namespaces: [shop]", "/api/v1/pods", False),
        ("namespaces: [shop]", "/version", False),
        ("resources: [{}]", "/api/v1/pods", True),
        ("resources: [{group: apps}]", "/api/v1/pods", False),
        ("resources: [{resources: [pods]}]", "/api/v1/namespaces/shop/pods/a", True),
        ("resources: [{resources: [pods]}]", "/api/v1/namespaces/shop/pods/a/log", False),
        ("resources: [{resources: [pods/log]}]", "/api/v1/namespaces/shop/pods/a/log", True),
        ("resources: [{resources: [pods/*]}]", "/api/v1/namespaces/shop/pods/a/log", True),
        ("resources: [{resources: [pods/*]}]", "/api/v1/namespaces/shop/pods/a", True),
        ("resources: [{resources: ['*/log']}]", "/api/v1/namespaces/shop/pods/a/log", True),
        ("resources: [{resources: ['*/log']}]", "/api/v1/namespaces/shop/pods/a", False),
        ("resources: [{resources: ['*']}]", "/api/v1/namespaces/shop/pods/a/log", True),
        ("resources: [{resources: [pods], resourceNames: [a]}]", "/api/v1/namespaces/shop/pods/a", True),
        ("resources: [{resources: [pods], resourceNames: [a]}]", "/api/v1/namespaces/shop/pods/b", False),
        ("nonResourceURLs: [/version]", "/version", True),
        ("nonResourceURLs: [/healthz*]", "/healthz/log", True),
        ("nonResourceURLs: [/healthz]", "/healthz/log", False),
        ("nonResourceURLs: ['*']", "/version", True),
        ("nonResourceURLs: ['*']", "/api/v1/pods", False),
    ],
)
def test_a_rule_matches_what_it_names(condition: str, path: str, matches: bool) -> None:
    assert (level(policy(f"{{level: None, {condition}}}"), "GET", path) == Level.NONE) is matches


def test_rules_for_users_do_not_match_whoever_could_not_sign_in() -> None:
    found = policy("{level: None, userGroups: ['system:authenticated']}, {level: None, users: ['system:anonymous']}")
    assert level(found, "GET", "/api/v1/pods", None) == Level.REQUEST_RESPONSE


def test_what_no_rule_matches_is_not_recorded() -> None:
    found = parsed(f"{HEAD}rules: [{{level: Metadata, users: [bob]}}]".encode())
    assert level(found, "GET", "/api/v1/pods") == Level.NONE


def test_stages_are_omitted_by_the_policy_and_by_the_rule() -> None:
    text = f"{HEAD}omitStages: [RequestReceived]\nomitManagedFields: true\n"
    text += "rules: [{level: Request, omitStages: [Panic], verbs: [get]}, {level: Request, omitManagedFields: false}]"
    one, other = (rule.decision for rule in parsed(text.encode()).rules)
    assert (one.omitted, one.omits_managed_fields) == (frozenset({"RequestReceived", "Panic"}), True)
    assert (other.omitted, other.omits_managed_fields) == (frozenset({"RequestReceived"}), False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "it is no YAML"),
        ("[]", "the file has to be a mapping"),
        ("kind: Policy\nrules: [{level: None}]", "has to begin with `apiVersion: audit.k8s.io/v1`"),
        (f"{HEAD}rules: []", "rules: there is none"),
        (f"{HEAD}rules: [{{verbs: [get]}}]", "rules[0].level is missing: it is one of None, Metadata"),
        (f"{HEAD}rules: [{{level: metadata}}]", "rules[0].level cannot be 'metadata'"),
        (f"{HEAD}rules: [{{level: None}}, {{level: None, verb: [get]}}]", "no field rules[1].verb: did you mean verbs?"),
        (f"{HEAD}rules: [{{level: None}}]\nrules: []", "already set"),
        (f"{HEAD}rules: [{{level: None, users: [1]}}]", "rules[0].users: 1 has to be a text"),
        (f"{HEAD}rules: [{{level: None, verbs: get}}]", "rules[0].verbs has to be a list"),
        (f"{HEAD}rules: [{{level: None, nonResourceURLs: [healthz]}}]", "'healthz' has to begin with a /"),
        (f"{HEAD}rules: [{{level: None, nonResourceURLs: [/a*b]}}]", "can only be its last character"),
        (f"{HEAD}rules: [{{level: None, nonResourceURLs: [/a], namespaces: [b]}}]", "in a rule of their own"),
        (f"{HEAD}rules: [{{level: None, resources: [{{group: apps/v1}}]}}]", "rules[0].resources[0].group 'apps/v1' is no API group"),
        (f"{HEAD}rules: [{{level: None, resources: [{{resourceNames: [a]}}]}}]", "resourceNames needs resources"),
        (f"{HEAD}rules: [{{level: None}}]\nomitStages: [Received]", "omitStages: there is no stage 'Received'"),
        (f"{HEAD}rules: [{{level: None}}]\nomitManagedFields: yes please", "omitManagedFields is true or false"),
    ],
)
def test_a_mistake_is_named_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parsed(text.encode())
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("method", "path", "user", "recorded"),
    [
        ("POST", "/api/v1/namespaces/shop/pods", ANN, True),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/a", controller("x"), True),
        ("DELETE", "/api/v1/namespaces/shop/pods/a", controller("x"), True),
        ("GET", "/api/v1/namespaces/shop/pods/a/exec", ANN, True),
        ("GET", "/api/v1/nodes/n/proxy/exec/shop/a/c", ANN, True),
        ("GET", "/api/v1/namespaces/shop/secrets/a", ANN, True),
        ("GET", "/api/v1/namespaces/shop/secrets/a", controller("x"), False),
        ("GET", "/api/v1/namespaces/shop/pods", ANN, False),
        ("GET", "/api/v1/namespaces/shop/pods", None, True),
        ("PATCH", "/api/v1/namespaces/shop/pods/a/status", User("system:node:n", ("system:nodes",)), False),
        ("PATCH", "/api/v1/namespaces/shop/pods/a/status", ANN, True),
        ("PATCH", "/apis/apps.pilothouse.dev/v1/namespaces/shop/apps/a/status", platform_part("apps"), False),
        ("PATCH", "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/a/status", User("system:gateway"), False),
        ("PUT", "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/a", controller("x"), False),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/x/leases/a", controller("x"), False),
        ("POST", "/api/v1/namespaces/shop/events", service_account("shop", "operator", "1"), False),
        ("PATCH", "/apis/events.k8s.io/v1/namespaces/shop/events/a", User("system:kube-scheduler", ("system:authenticated",)), False),
        ("DELETE", "/api/v1/namespaces/shop/events", ANN, True),
        ("DELETE", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n", ANN, True),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n", ANN, True),
        ("POST", "/api/v1/namespaces/shop/events", None, True),
        ("POST", "/api/v1/namespaces/shop/events", ANONYMOUS, True),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ANN, False),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", None, True),
        ("GET", "/metrics", ANN, False),
        ("GET", "/metrics", ANONYMOUS, True),
        ("GET", "/readyz", None, False),
    ],
)
def test_the_default_policy_records_changes_and_sessions_and_not_the_clusters_own_rounds(
    method: str, path: str, user: User | None, recorded: bool
) -> None:
    assert (level(policy_file.read(policy_file.DEFAULT), method, path, user) != Level.NONE) is recorded
