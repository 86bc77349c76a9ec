"""Authorization as data: who may do what, asked of a real server over TLS by users who have signed in."""

from collections.abc import Awaitable, Callable

import pytest

from pilothouse.client.transport import JSON, MERGE_PATCH, Call
from pilothouse.model.errors import ApiError
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap, pod
from tests.engine.apiserver.https import Https

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}
_RBAC = "apis/rbac.authorization.k8s.io/v1"
_HERE, _THERE = "api/v1/namespaces/default", "api/v1/namespaces/other"
_LEASES = "apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

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
}

# user | verb | path | what it is narrowed to | may
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


def _binding(user: str, role: str) -> dict[str, object]:
    group = "rbac.authorization.k8s.io"
    subject = {"apiGroup": group, "kind": "User", "name": user}
    return {"metadata": {"name": f"of-{user}"}, "subjects": [subject], "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role}}


async def code_of(api: Api, verb: str, path: str, selector: str) -> int:
    """What the server answers; a change is only tried."""
    query = [("fieldSelector", selector)] if selector else []
    query += [("dryRun", "All")] if verb in _METHODS else []
    query += [("watch", "1")] if verb == "watch" else []
    body = {"create": {"metadata": {"name": "n1"}}, "update": {}, "patch": {}}.get(verb)
    content_type = MERGE_PATCH if verb == "patch" else JSON
    call = Call(_METHODS.get(verb, "GET"), f"/{path}", tuple(query), body, content_type)
    try:
        if verb == "watch":
            async with api.transport.watch(call):
                return 200
        await api.transport.call(call)
    except ApiError as error:
        return error.code
    return 200


@pytest.mark.parametrize("who", USERS)
async def test_everybody_may_do_what_the_table_says_and_no_more(api: Api, https: Https, who: str) -> None:
    await _furnish(api)
    user = await USERS[who](https, api)
    wrong = []
    for _, verb, path, selector, may in (row for row in ROWS if row[0] == who):
        code = await code_of(user, verb, path, selector)
        if (code in (401, 403)) != (may == "no"):
            wrong.append((verb, path, selector, code))
    assert not wrong


def test_every_row_is_somebodys() -> None:
    assert {row[0] for row in ROWS} == set(USERS)
