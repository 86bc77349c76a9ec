"""Authorization as data: who may do what, asked of a real server over TLS by users who have signed in."""

from collections.abc import Awaitable, Callable

import pytest

from pilothouse.client.transport import APPLY_PATCH, JSON, MERGE_PATCH, Call
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap, pod
from tests.engine.apiserver.https import Https, grant, rule

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "apply": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}
_PATCHES = {"patch": MERGE_PATCH, "apply": APPLY_PATCH}
_RBAC = "apis/rbac.authorization.k8s.io/v1"
_HERE, _THERE = "api/v1/namespaces/default", "api/v1/namespaces/other"
_LEASES = "apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

_SUBRESOURCES = ("approval", "binding", "eviction", "exec", "finalize", "scale", "status", "token")
_KINDS = {"clusterroles": "ClusterRole", "configmaps": "ConfigMap", "leases": "Lease", "pods": "Pod", "roles": "Role"}

SignIn = Callable[[Https, Api], Awaitable[Api]]


async def _service_account(https: Https, admin: Api) -> Api:
    answer = await admin.post(f"/{_HERE}/serviceaccounts/default/token", {"spec": {}})
    return https.bearing(answer["status"]["token"])


def certified(name: str, *groups: str) -> SignIn:
    async def sign_in(https: Https, admin: Api) -> Api:
        return https.certified(name, *groups)

    return sign_in


async def _anonymous(https: Https, admin: Api) -> Api:
    return https.anonymous()


USERS: dict[str, SignIn] = {
    "anonymous": _anonymous,
    "somebody": certified("somebody"),
    "service account": _service_account,
    "viewer": certified("viewer"),
    "editor": certified("editor"),
    "namespace admin": certified("namespace-admin"),
    "cluster admin": certified("cluster-admin"),
    "master": certified("master", "system:masters"),
    "node": certified("system:node:n1", "system:nodes"),
    "half a node": certified("system:node:n1"),
    "scheduler": certified("system:kube-scheduler"),
    "log reader": certified("log-reader"),
    "scaler": certified("scaler"),
    "one name": certified("one-name"),
    "lease updater": certified("lease-updater"),
    "secret maker": certified("secret-maker"),
    "collector": certified("collector"),
    "pod creator": certified("pod-creator"),
    "token maker": certified("token-maker"),
    "name thief": certified("system:serviceaccount:default:default"),
}
RIGHTS: dict[str, tuple[Object, ...]] = {
    "log-reader": (rule("get", "pods/log"),),
    "scaler": (rule("get update patch", "*/scale", "*"),),
    "one-name": (rule("create get list watch update patch delete deletecollection", "configmaps") | {"resourceNames": ["mine"]},),
    "lease-updater": (rule("update patch", "leases", "coordination.k8s.io"),),
    "secret-maker": (rule("create", "secrets"),),
    "collector": (rule("list deletecollection", "configmaps pods"),),
    "pod-creator": (rule("create", "pods"),),
    "token-maker": (rule("create", "serviceaccounts/token") | {"resourceNames": ["runner"]},),
}
"""In the whole cluster, beside what everybody may."""

# user | verb | path | what it is narrowed to | may (or the code of the answer)
TABLE = f"""
anonymous       | get              | version                                  |                        | yes
anonymous       | get              | livez                                    |                        | yes
anonymous       | get              | api                                      |                        | no
anonymous       | get              | metrics                                  |                        | no
anonymous       | list             | {_HERE}/pods                             |                        | no
anonymous       | create           | apis/authorization.k8s.io/v1/selfsubjectaccessreviews |           | no
somebody        | get              | api                                      |                        | yes
somebody        | get              | openapi/v2                               |                        | yes
somebody        | get              | metrics                                  |                        | no
somebody        | create           | apis/authorization.k8s.io/v1/selfsubjectaccessreviews |           | yes
somebody        | create           | apis/authorization.k8s.io/v1/subjectaccessreviews     |           | no
somebody        | create           | apis/authentication.k8s.io/v1/tokenreviews            |           | no
somebody        | list             | {_HERE}/configmaps                       |                        | no
somebody        | list             | api/v1/namespaces                        |                        | no
somebody        | get              | {_HERE}/nothings/x                       |                        | no
service account | get              | api                                      |                        | yes
service account | get              | {_HERE}/secrets/mine                     |                        | no
service account | list             | {_HERE}/pods                             |                        | no
service account | create           | {_HERE}/serviceaccounts/default/token    |                        | no
viewer          | list             | {_HERE}/pods                             |                        | yes
viewer          | watch            | {_HERE}/configmaps                       |                        | yes
viewer          | get              | {_HERE}/pods/mine/log                    |                        | yes
viewer          | get              | {_HERE}/secrets/mine                     |                        | no
viewer          | get              | {_HERE}/pods/mine/exec                   |                        | no
viewer          | create           | {_HERE}/configmaps                       |                        | no
viewer          | list             | {_THERE}/pods                            |                        | no
viewer          | list             | api/v1/pods                              |                        | no
viewer          | list             | {_RBAC}/namespaces/default/roles         |                        | no
editor          | get              | {_HERE}/secrets/mine                     |                        | yes
editor          | create           | {_HERE}/configmaps                       |                        | yes
editor          | update           | {_HERE}/configmaps/mine                  |                        | yes
editor          | patch            | {_HERE}/configmaps/mine                  |                        | yes
editor          | delete           | {_HERE}/configmaps/mine                  |                        | yes
editor          | deletecollection | {_HERE}/configmaps                       |                        | yes
editor          | create           | {_HERE}/pods/mine/eviction               |                        | yes
editor          | create           | {_HERE}/pods/mine/binding                |                        | no
editor          | patch            | {_HERE}/pods/mine/status                 |                        | no
editor          | create           | {_RBAC}/namespaces/default/roles         |                        | no
editor          | patch            | {_HERE}/resourcequotas/mine              |                        | no
editor          | delete           | {_HERE}                                  |                        | no
editor          | delete           | {_THERE}/configmaps/mine                 |                        | no
namespace admin | create           | {_RBAC}/namespaces/default/roles         |                        | yes
namespace admin | create           | {_RBAC}/namespaces/default/rolebindings  |                        | yes
namespace admin | create           | {_RBAC}/clusterroles                     |                        | no
namespace admin | create           | {_RBAC}/namespaces/other/roles           |                        | no
namespace admin | create           | {_HERE}/resourcequotas                   |                        | no
cluster admin   | get              | api/v1/nodes/n1                          |                        | yes
cluster admin   | list             | api/v1/secrets                           |                        | yes
cluster admin   | create           | {_RBAC}/clusterroles                     |                        | yes
cluster admin   | get              | metrics                                  |                        | yes
master          | list             | api/v1/secrets                           |                        | yes
master          | patch            | {_RBAC}/clusterroles/cluster-admin       |                        | yes
node            | get              | {_HERE}/secrets/mine                     |                        | yes
node            | list             | {_HERE}/secrets                          | metadata.name=mine     | yes
node            | watch            | {_HERE}/secrets                          | metadata.name=mine     | yes
node            | watch            | {_HERE}/configmaps                       | metadata.name=mine     | yes
node            | list             | {_HERE}/secrets                          | metadata.name!=mine    | no
node            | list             | {_HERE}/secrets                          |                        | no
node            | list             | api/v1/secrets                           |                        | no
node            | list             | api/v1/secrets                           | metadata.name=mine     | no
node            | get              | {_HERE}/secrets/theirs                   |                        | no
node            | get              | {_THERE}/secrets/mine                    |                        | no
node            | patch            | {_HERE}/secrets/mine                     |                        | no
node            | get              | {_HERE}/configmaps/mine                  |                        | yes
node            | get              | {_HERE}/configmaps/theirs                |                        | no
node            | get              | {_HERE}/serviceaccounts/runner           |                        | yes
node            | get              | {_HERE}/serviceaccounts/default          |                        | no
node            | create           | {_HERE}/serviceaccounts/default/token    |                        | no
node            | list             | api/v1/pods                              | spec.nodeName=n1       | yes
node            | watch            | api/v1/pods                              | spec.nodeName=n1       | yes
node            | list             | api/v1/pods                              | spec.nodeName=n2       | no
node            | list             | api/v1/pods                              |                        | no
node            | get              | {_HERE}/pods/mine                        |                        | yes
node            | get              | {_HERE}/pods/theirs                      |                        | no
node            | patch            | {_HERE}/pods/mine/status                 |                        | yes
node            | delete           | {_HERE}/pods/mine                        |                        | yes
node            | delete           | {_HERE}/pods/theirs                      |                        | no
node            | patch            | {_HERE}/pods/theirs/status               |                        | no
node            | patch            | {_HERE}/pods/mine                        |                        | no
node            | get              | {_HERE}/pods/mine/exec                   |                        | no
node            | get              | api/v1/nodes/n1                          |                        | yes
node            | watch            | api/v1/nodes                             | metadata.name=n1       | yes
node            | get              | api/v1/nodes/n2                          |                        | no
node            | list             | api/v1/nodes                             |                        | no
node            | patch            | api/v1/nodes/n1                          |                        | yes
node            | patch            | api/v1/nodes/n1/status                   |                        | yes
node            | patch            | api/v1/nodes/n2                          |                        | no
node            | patch            | api/v1/nodes/n2/status                   |                        | no
node            | delete           | api/v1/nodes/n1                          |                        | no
node            | create           | {_LEASES}                                |                        | yes
node            | patch            | {_LEASES}/n1                             |                        | yes
node            | patch            | {_LEASES}/n2                             |                        | no
node            | get              | apis/coordination.k8s.io/v1/namespaces/kube-system/leases/n1 |    | no
node            | watch            | api/v1/services                          |                        | yes
node            | create           | {_HERE}/events                           |                        | yes
node            | list             | {_HERE}/events                           |                        | no
node            | create           | apis/authorization.k8s.io/v1/subjectaccessreviews     |           | yes
node            | create           | apis/authentication.k8s.io/v1/tokenreviews            |           | yes
node            | create           | {_RBAC}/clusterrolebindings              |                        | no
node            | get              | api                                      |                        | yes
half a node     | get              | {_HERE}/secrets/mine                     |                        | no
half a node     | patch            | api/v1/nodes/n1                          |                        | no
scheduler       | list             | api/v1/pods                              |                        | yes
scheduler       | create           | {_HERE}/pods/mine/binding                |                        | yes
scheduler       | get              | {_HERE}/secrets/mine                     |                        | no
scheduler       | create           | {_HERE}/pods                             |                        | no
anonymous       | get              | readyz                                   |                        | yes
anonymous       | get              | openapi/v3                               |                        | no
anonymous       | watch            | {_HERE}/configmaps                       |                        | no
anonymous       | delete           | {_HERE}/pods/mine                        |                        | no
anonymous       | deletecollection | {_HERE}/pods                             |                        | no
anonymous       | create           | {_HERE}/pods/mine/exec                   |                        | no
somebody        | create           | apis/authentication.k8s.io/v1/selfsubjectreviews      |           | yes
somebody        | create           | apis/authorization.k8s.io/v1/selfsubjectrulesreviews  |           | yes
somebody        | create           | {_HERE}/serviceaccounts/default/token    |                        | no
somebody        | delete           | api/v1/nodes/n1                          |                        | no
somebody        | apply            | {_HERE}/configmaps/mine                  |                        | no
service account | create           | apis/authorization.k8s.io/v1/selfsubjectaccessreviews |           | yes
service account | list             | {_HERE}/serviceaccounts                  |                        | no
service account | get              | {_HERE}/serviceaccounts/default          |                        | no
service account | create           | {_HERE}/pods/mine/exec                   |                        | no
service account | get              | .well-known/openid-configuration         |                        | yes
service account | get              | metrics                                  |                        | no
name thief      | get              | api                                      |                        | yes
name thief      | get              | .well-known/openid-configuration         |                        | no
viewer          | get              | {_HERE}/pods/mine/portforward            |                        | no
viewer          | get              | {_HERE}/pods/mine/attach                 |                        | no
viewer          | deletecollection | {_HERE}/configmaps                       |                        | no
viewer          | apply            | {_HERE}/configmaps/mine                  |                        | no
viewer          | create           | {_HERE}/serviceaccounts/default/token    |                        | no
viewer          | get              | {_HERE}/pods/mine/proxy                  |                        | no
editor          | apply            | {_HERE}/configmaps/new                   |                        | yes
editor          | deletecollection | api/v1/configmaps                        |                        | no
editor          | create           | {_HERE}/serviceaccounts/default/token    |                        | yes
editor          | create           | {_RBAC}/namespaces/default/rolebindings  |                        | no
editor          | patch            | {_HERE}                                  |                        | no
editor          | update           | {_HERE}/finalize                         |                        | no
editor          | patch            | api/v1/nodes/n1                          |                        | no
namespace admin | patch            | {_HERE}/resourcequotas/mine              |                        | no
namespace admin | patch            | {_HERE}                                  |                        | no
namespace admin | get              | api/v1/nodes/n1                          |                        | no
namespace admin | create           | api/v1/namespaces                        |                        | no
cluster admin   | deletecollection | api/v1/configmaps                        |                        | 405
cluster admin   | create           | {_HERE}/pods/mine/exec                   |                        | yes
node            | get              | {_HERE}/persistentvolumeclaims/theirs    |                        | no
node            | list             | {_HERE}/persistentvolumeclaims           |                        | no
node            | update           | {_HERE}/configmaps/mine                  |                        | no
node            | deletecollection | {_HERE}/pods                             |                        | no
node            | apply            | {_HERE}/pods/mine/status                 |                        | yes
node            | apply            | {_HERE}/pods/theirs/status               |                        | no
node            | create           | {_HERE}/pods/theirs/eviction             |                        | no
node            | create           | {_HERE}/pods/mine/binding                |                        | no
node            | create           | {_HERE}/pods/mine/exec                   |                        | no
node            | patch            | {_HERE}/pods/mine/ephemeralcontainers    |                        | no
node            | create           | {_HERE}/serviceaccounts/runner/token     |                        | no
node            | patch            | {_HERE}/serviceaccounts/runner           |                        | no
node            | list             | {_HERE}/serviceaccounts                  |                        | no
node            | watch            | api/v1/nodes                             |                        | no
node            | deletecollection | api/v1/nodes                             |                        | no
node            | list             | {_LEASES}                                |                        | no
node            | delete           | {_LEASES}/n1                             |                        | yes
node            | update           | {_LEASES}/n2                             |                        | no
node            | create           | apis/coordination.k8s.io/v1/namespaces/kube-system/leases |       | no
node            | create           | apis/certificates.k8s.io/v1/certificatesigningrequests    |       | yes
node            | list             | apis/certificates.k8s.io/v1/certificatesigningrequests    |       | yes
node            | update           | apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval | | no
node            | delete           | apis/certificates.k8s.io/v1/certificatesigningrequests/x  |       | no
node            | patch            | {_RBAC}/clusterroles/system:node         |                        | no
half a node     | list             | api/v1/pods                              | spec.nodeName=n1       | no
half a node     | create           | {_LEASES}                                |                        | no
scheduler       | patch            | {_HERE}/pods/mine/status                 |                        | yes
scheduler       | patch            | api/v1/nodes/n1                          |                        | no
scheduler       | list             | api/v1/secrets                           |                        | no
log reader      | get              | {_HERE}/pods/mine/log                    |                        | yes
log reader      | get              | {_HERE}/pods/mine                        |                        | no
log reader      | get              | {_HERE}/pods/mine/exec                   |                        | no
scaler          | patch            | apis/apps/v1/namespaces/default/deployments/x/scale   |           | yes
scaler          | patch            | apis/apps/v1/namespaces/default/deployments/x         |           | no
scaler          | patch            | apis/apps/v1/namespaces/default/deployments/x/status  |           | no
one name        | get              | {_HERE}/configmaps/mine                  |                        | yes
one name        | get              | {_HERE}/configmaps/theirs                |                        | no
one name        | list             | {_HERE}/configmaps                       | metadata.name=mine     | yes
one name        | watch            | {_HERE}/configmaps                       | metadata.name=mine     | yes
one name        | deletecollection | {_HERE}/configmaps                       | metadata.name=mine     | yes
one name        | list             | {_HERE}/configmaps                       |                        | no
one name        | list             | {_HERE}/configmaps                       | metadata.name=theirs   | no
one name        | deletecollection | {_HERE}/configmaps                       |                        | no
one name        | create           | {_HERE}/configmaps                       |                        | no
lease updater   | update           | {_LEASES}/n1                             |                        | no
lease updater   | patch            | {_LEASES}/n1                             |                        | 404
lease updater   | apply            | {_LEASES}/n1                             |                        | no
lease updater   | create           | {_LEASES}                                |                        | no
secret maker    | create           | {_HERE}/secrets                          |                        | yes
secret maker    | get              | {_HERE}/secrets/mine                     |                        | no
secret maker    | update           | {_HERE}/secrets/mine                     |                        | no
collector       | deletecollection | {_HERE}/configmaps                       |                        | yes
collector       | deletecollection | api/v1/configmaps                        |                        | 405
collector       | delete           | {_HERE}/configmaps/mine                  |                        | no
collector       | deletecollection | {_HERE}/secrets                          |                        | no
pod creator     | create           | {_HERE}/pods                             |                        | yes
pod creator     | create           | {_HERE}/pods/mine/eviction               |                        | no
pod creator     | create           | {_HERE}/pods/mine/binding                |                        | no
pod creator     | create           | {_HERE}/pods/mine/exec                   |                        | no
token maker     | create           | {_HERE}/serviceaccounts/runner/token     |                        | yes
token maker     | create           | {_HERE}/serviceaccounts/default/token    |                        | no
token maker     | create           | {_HERE}/serviceaccounts                  |                        | no
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]


async def _furnish(admin: Api) -> None:
    """Two nodes with a pod each, what these refer to, and the roles of some people."""
    await admin.post("/api/v1/namespaces", {"metadata": {"name": "other"}})
    await admin.post(f"/{_HERE}/serviceaccounts", {"metadata": {"name": "runner"}})
    for number, name in (("n1", "mine"), ("n2", "theirs")):
        await admin.post("/api/v1/nodes", {"metadata": {"name": number}})
        await admin.post(f"/{_HERE}/secrets", {"metadata": {"name": name}})
        await admin.post(CONFIGMAPS, configmap(name))
        volumes = [{"name": "s", "secret": {"secretName": name}}, {"name": "c", "configMap": {"name": name}}]
        wanted = pod(name, nodeName=number, volumes=volumes, serviceAccountName="runner" if name == "mine" else "default")
        await admin.post(f"/{_HERE}/pods", wanted)
    await admin.post(f"/{_THERE}/secrets", {"metadata": {"name": "mine"}})
    for user, role in (("viewer", "view"), ("editor", "edit"), ("namespace-admin", "admin")):
        await admin.post(f"/{_RBAC}/namespaces/default/rolebindings", _binding(user, role))
    await admin.post(f"/{_RBAC}/clusterrolebindings", _binding("cluster-admin", "cluster-admin"))
    for user, rules in RIGHTS.items():
        await grant(admin, user, *rules)


def _binding(user: str, role: str) -> dict[str, object]:
    group = "rbac.authorization.k8s.io"
    subject = {"apiGroup": group, "kind": "User", "name": user}
    return {"metadata": {"name": f"of-{user}"}, "subjects": [subject], "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role}}


async def code_of(api: Api, verb: str, path: str, selector: str, body: Object | None = None) -> int:
    """What the server answers; a change is only tried. body: of a write, for those to whom it matters."""
    query = [("fieldSelector", selector)] if selector else []
    query += [("dryRun", "All")] if verb in _METHODS else []
    query += [("watch", "1")] if verb == "watch" else []
    query += [("fieldManager", "test")] if verb == "apply" else []
    call = Call(_METHODS.get(verb, "GET"), f"/{path}", tuple(query), body or _plain_body(verb, path), _PATCHES.get(verb, JSON))
    try:
        if verb == "watch":
            async with api.transport.watch(call):
                return 200
        await api.transport.call(call)
    except ApiError as error:
        return error.code
    return 200


def _plain_body(verb: str, path: str) -> Object | None:
    """As little as the verb takes for what is at the path; of a subresource, the object is named before it."""
    words = path.split("/")
    is_part = words[-1] in _SUBRESOURCES
    name = words[-2] if is_part else words[-1]
    if verb == "create":
        return {} if words[-1] == "token" else {"metadata": {"name": name if is_part else "n1"}}
    if verb == "apply":
        resource = next(word for word in words if word in _KINDS)
        version = words[1] if words[0] == "api" else "/".join(words[1:3])
        return {"apiVersion": version, "kind": _KINDS[resource], "metadata": {"name": name}}
    return {"update": {"metadata": {"name": name}}, "patch": {}}.get(verb)


def is_as_told(code: int, may: str) -> bool:
    return code == int(may) if may.isdecimal() else (code in (401, 403)) == (may == "no")


@pytest.mark.parametrize("who", USERS)
async def test_everybody_may_do_what_the_table_says_and_no_more(api: Api, https: Https, who: str) -> None:
    await _furnish(api)
    user = await USERS[who](https, api)
    wrong = []
    for _, verb, path, selector, may in (row for row in ROWS if row[0] == who):
        code = await code_of(user, verb, path, selector)
        if not is_as_told(code, may):
            wrong.append((verb, path, selector, code))
    assert not wrong


def test_every_row_is_somebodys() -> None:
    assert {row[0] for row in ROWS} == set(USERS)
