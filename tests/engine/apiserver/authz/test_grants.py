"""Giving rights away, as data: who may write which roles and bindings, asked of a real server over TLS."""

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.authz.test_table import certified, code_of, is_as_told
from tests.engine.apiserver.https import GROUP, Https, bind, grant, rule

_RBAC = "apis/rbac.authorization.k8s.io/v1"
ROLES, BINDINGS = f"{_RBAC}/namespaces/default/roles", f"{_RBAC}/namespaces/default/rolebindings"
CLUSTER_ROLES, CLUSTER_BINDINGS = f"{_RBAC}/clusterroles", f"{_RBAC}/clusterrolebindings"
EVERYTHING: Object = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def role(*rules: Object, **more: Object) -> Object:
    return {"metadata": {"name": "new"}, "rules": list(rules), **more}


def binding(name: str, kind: str = "ClusterRole") -> Object:
    subject = {"apiGroup": GROUP, "kind": "User", "name": "friend"}
    return {"metadata": {"name": "new"}, "subjects": [subject], "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name}}


BODIES: dict[str, Object] = {
    "pods": role(rule("get list", "pods")),
    "logs": role(rule("get", "pods/log")),
    "secrets": role(rule("get", "secrets")),
    "all verbs of pods": role(rule("*", "pods")),
    "one secret": role(rule("get", "secrets") | {"resourceNames": ["mine"]}),
    "exec": role(rule("create", "pods/exec")),
    "everything": role(EVERYTHING),
    "metrics": role({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}),
    "version": role({"nonResourceURLs": ["/version"], "verbs": ["get"]}),
    "impersonation": role(rule("impersonate", "users")),
    "gathering": {"metadata": {"name": "new"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}},
    "nothing": role(),
    "label for view": {"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}},
    "label": {"metadata": {"labels": {"x": "y"}}},
    "finalizer": {"metadata": {"finalizers": ["example.com/x"]}},
    "no gathering": {"aggregationRule": None},
    "to view": binding("view"),
    "to edit": binding("edit"),
    "to admin": binding("admin"),
    "to cluster-admin": binding("cluster-admin"),
    "to small": binding("small", "Role"),
    "to large": binding("large", "Role"),
    "to nothing": binding("nothing"),
}

# user | verb | path | what is written | may (or the code of the answer)
TABLE = f"""
writer          | create | {ROLES}                           | pods              | yes
writer          | create | {ROLES}                           | logs              | yes
writer          | create | {ROLES}                           | nothing           | yes
writer          | create | {ROLES}                           | secrets           | no
writer          | create | {ROLES}                           | one secret        | no
writer          | create | {ROLES}                           | all verbs of pods | no
writer          | create | {ROLES}                           | exec              | no
writer          | create | {ROLES}                           | everything        | no
writer          | create | {ROLES}                           | impersonation     | no
writer          | apply  | {ROLES}/new                       | pods              | yes
writer          | apply  | {ROLES}/new                       | secrets           | no
writer          | update | {ROLES}/new                       | pods              | yes
writer          | update | {ROLES}/new                       | secrets           | no
writer          | update | {ROLES}/small                     | pods              | yes
writer          | update | {ROLES}/small                     | secrets           | no
writer          | patch  | {ROLES}/small                     | secrets           | no
writer          | patch  | {ROLES}/small                     | label             | yes
writer          | patch  | {ROLES}/large                     | label             | no
writer          | patch  | {ROLES}/large                     | finalizer         | yes
writer          | patch  | {ROLES}/large                     | nothing           | yes
writer          | create | {CLUSTER_ROLES}                   | pods              | yes
writer          | create | {CLUSTER_ROLES}                   | version           | yes
writer          | create | {CLUSTER_ROLES}                   | metrics           | no
writer          | create | {CLUSTER_ROLES}                   | gathering         | no
writer          | apply  | {CLUSTER_ROLES}/new               | gathering         | no
writer          | patch  | {CLUSTER_ROLES}/cluster-admin     | label for view    | no
writer          | apply  | {CLUSTER_ROLES}/cluster-admin     | label for view    | no
writer          | patch  | {CLUSTER_ROLES}/little            | label for view    | yes
writer          | patch  | {CLUSTER_ROLES}/little            | gathering         | no
writer          | patch  | {CLUSTER_ROLES}/sum               | label             | no
writer          | patch  | {CLUSTER_ROLES}/sum               | no gathering      | no
writer          | create | {BINDINGS}                        | to view           | yes
writer          | create | {BINDINGS}                        | to small          | yes
writer          | create | {BINDINGS}                        | to edit           | no
writer          | create | {BINDINGS}                        | to large          | no
writer          | create | {BINDINGS}                        | to nothing        | 404
writer          | update | {BINDINGS}/new                    | to edit           | no
writer          | apply  | {BINDINGS}/new                    | to edit           | no
writer          | create | {CLUSTER_BINDINGS}                | to view           | yes
writer          | create | {CLUSTER_BINDINGS}                | to cluster-admin  | no
writer          | patch  | {CLUSTER_BINDINGS}/cluster-admin  | label             | no
updater         | update | {ROLES}/new                       | pods              | no
updater         | update | {ROLES}/small                     | pods              | yes
updater         | update | {BINDINGS}/new                    | to view           | no
updater         | update | {CLUSTER_BINDINGS}/new            | to view           | no
updater         | apply  | {CLUSTER_ROLES}/new               | pods              | no
binder          | create | {BINDINGS}                        | to edit           | yes
binder          | create | {CLUSTER_BINDINGS}                | to edit           | yes
binder          | create | {BINDINGS}                        | to admin          | no
binder          | create | {CLUSTER_BINDINGS}                | to cluster-admin  | no
binder          | create | {BINDINGS}                        | to large          | no
binder          | create | {ROLES}                           | pods              | no
escalator       | create | {ROLES}                           | everything        | yes
escalator       | patch  | {ROLES}/small                     | everything        | yes
escalator       | create | {CLUSTER_ROLES}                   | everything        | no
escalator       | create | {BINDINGS}                        | to cluster-admin  | no
namespace admin | create | {ROLES}                           | secrets           | yes
namespace admin | create | {ROLES}                           | exec              | yes
namespace admin | create | {ROLES}                           | everything        | no
namespace admin | create | {BINDINGS}                        | to admin          | yes
namespace admin | create | {BINDINGS}                        | to cluster-admin  | no
namespace admin | create | {CLUSTER_BINDINGS}                | to view           | no
cluster admin   | create | {CLUSTER_ROLES}                   | everything        | yes
cluster admin   | create | {CLUSTER_ROLES}                   | gathering         | yes
cluster admin   | create | {CLUSTER_BINDINGS}                | to cluster-admin  | yes
super admin     | patch  | {CLUSTER_ROLES}/cluster-admin     | label for view    | yes
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]
USERS = {
    "writer": certified("writer"),
    "updater": certified("updater"),
    "binder": certified("binder"),
    "escalator": certified("escalator"),
    "namespace admin": certified("namespace-admin"),
    "cluster admin": certified("admin", "pilothouse:admins"),
    "super admin": certified("super-admin", "system:masters"),
}
_ALL = "roles clusterroles rolebindings clusterrolebindings"


async def _furnish(admin: Api) -> None:
    await grant(admin, "writer", rule("create update patch", _ALL, GROUP))
    await bind(admin, "writer", "view")
    await grant(admin, "updater", rule("update patch", _ALL, GROUP))
    await bind(admin, "updater", "view")
    may_bind = rule("bind", "clusterroles", GROUP) | {"resourceNames": ["edit"]}
    await grant(admin, "binder", rule("create", "rolebindings clusterrolebindings", GROUP), may_bind)
    await grant(admin, "escalator", rule("create patch escalate", "roles", GROUP), rule("create", "clusterroles rolebindings", GROUP))
    for path, name, body in (
        (ROLES, "small", BODIES["pods"]),
        (ROLES, "large", BODIES["everything"]),
        (CLUSTER_ROLES, "little", BODIES["pods"]),
        (CLUSTER_ROLES, "sum", BODIES["gathering"]),
    ):
        await admin.post(f"/{path}", body | {"metadata": {"name": name}})
    await admin.post(f"/{BINDINGS}", binding("admin") | {"metadata": {"name": "of-admin"}, "subjects": [_user("namespace-admin")]})


def _user(name: str) -> Object:
    return {"apiGroup": GROUP, "kind": "User", "name": name}


def _body(verb: str, path: str, name: str) -> Object:
    """What is written, under the name of the path; an apply states its type."""
    body = BODIES[name]
    if verb == "patch":
        return {key: value for key, value in body.items() if key != "metadata" or "name" not in value}
    if verb == "create":
        return body
    written = path.rpartition("/")[2]
    plural = path.split("/")[-2]
    kind = {"roles": "Role", "clusterroles": "ClusterRole", "rolebindings": "RoleBinding", "clusterrolebindings": "ClusterRoleBinding"}[
        plural
    ]
    return body | {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": body.get("metadata", {}) | {"name": written}}


@pytest.mark.parametrize("who", USERS)
async def test_everybody_gives_away_what_he_has_and_no_more(api: Api, https: Https, who: str) -> None:
    await _furnish(api)
    user = await USERS[who](https, api)
    wrong = []
    for _, verb, path, written, may in (row for row in ROWS if row[0] == who):
        code = await code_of(user, verb, path, "", _body(verb, path, written))
        if not is_as_told(code, may) or code in (400, 415, 422):
            wrong.append((verb, path, written, code))
    assert not wrong


def test_every_row_is_somebodys_and_every_body_is_written() -> None:
    assert {row[0] for row in ROWS} == set(USERS)
    assert {row[3] for row in ROWS} == set(BODIES)
