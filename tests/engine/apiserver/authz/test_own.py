"""The cluster's own parts over HTTP: each may do its job and nothing next to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.cli.daemon.rights import secret_readers
from pilothouse.client import crds
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.store.store import Store
from pilothouse.platform import rights
from pilothouse.platform.apps.controller import COPIES
from pilothouse.platform.apps.types import APP
from pilothouse.platform.builds.types import BUILD
from pilothouse.platform.gateway.classes import CONTROLLER
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.authz.test_table import SignIn, certified, code_of
from tests.engine.apiserver.https import Https
from tests.people import client_of, platform_part

_HERE, _THERE = "api/v1/namespaces/default", "api/v1/namespaces/other"
_SYSTEM, _NET = f"api/v1/namespaces/{rights.SYSTEM}", "apis/networking.k8s.io/v1"
_RBAC, _DEPLOYMENTS = "apis/rbac.authorization.k8s.io/v1", "apis/apps/v1/namespaces/default/deployments"
_APPS, _BUILDS = "apis/apps.pilothouse.dev/v1", "apis/builds.pilothouse.dev/v1"
_CSRS, _KUBE = "apis/certificates.k8s.io/v1/certificatesigningrequests", "api/v1/namespaces/kube-system"
_METRICS = "apis/metrics.k8s.io/v1beta1"
_CRDS = "apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _account(namespace: str, name: str) -> SignIn:
    async def sign_in(https: Https, admin: Api) -> Api:
        await admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        answer = await admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", {"spec": {}})
        return https.bearing(answer["status"]["token"])

    return sign_in


USERS: dict[str, SignIn] = {
    "admin": certified("admin", "pilothouse:admins"),
    "super-admin": certified("super-admin", "system:masters"),
    "controller manager": certified("system:kube-controller-manager"),
    "deployments": _account("kube-system", "deployment-controller"),
    "replica sets": _account("kube-system", "replicaset-controller"),
    "jobs": _account("kube-system", "job-controller"),
    "expired jobs": _account("kube-system", "ttl-after-finished-controller"),
    "autoscalers": _account("kube-system", "horizontal-pod-autoscaler"),
    "namespaces": _account("kube-system", "namespace-controller"),
    "accounts": _account("kube-system", "service-account-controller"),
    "root certificates": _account("kube-system", "root-ca-cert-publisher"),
    "endpoints": _account("kube-system", "endpoint-controller"),
    "nodes": _account("kube-system", "node-controller"),
    "certificates": _account("kube-system", "certificate-controller"),
    "expired tokens": _account("kube-system", "token-cleaner"),
    "cluster info": _account("kube-system", "bootstrap-signer"),
    "proxy": certified("system:kube-proxy", "system:cluster-dns"),
    "gateway": certified("system:gateway", "system:gateway"),
    "platform": _account(rights.SYSTEM, rights.SETUP),
    "apps": _account(rights.SYSTEM, rights.APPS),
    "readiness": _account(rights.SYSTEM, rights.READINESS),
    "builds": _account(rights.SYSTEM, rights.BUILDS),
    "registry": _account(rights.SYSTEM, rights.REGISTRY),
    "databases": _account(rights.SYSTEM, rights.DATABASES),
}

_DATABASES = "apis/databases.pilothouse.dev/v1/namespaces/default"
# user | verb | path | field selector | may
TABLE = f"""
admin              | list             | api/v1/secrets                          |                                    | yes
admin              | patch            | {_RBAC}/clusterroles/cluster-admin      |                                    | yes
super-admin        | patch            | {_RBAC}/clusterroles/cluster-admin      |                                    | yes
controller manager | watch            | api/v1/pods                             |                                    | yes
controller manager | create           | {_HERE}/events                          |                                    | yes
controller manager | create           | {_HERE}/pods                            |                                    | no
controller manager | delete           | {_HERE}/pods/x                          |                                    | no
controller manager | create           | {_RBAC}/clusterrolebindings             |                                    | no
deployments        | update           | {_DEPLOYMENTS}/x                        |                                    | yes
deployments        | update           | {_DEPLOYMENTS}/x/status                 |                                    | yes
deployments        | create           | apis/apps/v1/namespaces/default/replicasets |                                | yes
deployments        | create           | {_HERE}/pods                            |                                    | no
deployments        | delete           | {_DEPLOYMENTS}/x                        |                                    | no
deployments        | get              | {_HERE}/secrets/tls                     |                                    | no
replica sets       | create           | {_HERE}/pods                            |                                    | yes
replica sets       | delete           | {_HERE}/pods/x                          |                                    | yes
replica sets       | delete           | apis/apps/v1/namespaces/default/replicasets/x |                              | no
replica sets       | create           | {_HERE}/pods/x/binding                  |                                    | no
jobs               | create           | {_HERE}/pods                            |                                    | yes
jobs               | delete           | apis/batch/v1/namespaces/default/jobs/x |                                    | no
expired jobs       | delete           | apis/batch/v1/namespaces/default/jobs/x |                                    | yes
expired jobs       | create           | {_HERE}/pods                            |                                    | no
autoscalers        | update           | {_DEPLOYMENTS}/x/scale                  |                                    | yes
autoscalers        | list             | {_METRICS}/namespaces/default/pods      |                                    | yes
autoscalers        | update           | {_DEPLOYMENTS}/x                        |                                    | no
autoscalers        | create           | {_HERE}/pods                            |                                    | no
namespaces         | deletecollection | {_HERE}/secrets                         |                                    | yes
namespaces         | update           | {_THERE}/finalize                       |                                    | yes
namespaces         | create           | {_HERE}/pods                            |                                    | no
namespaces         | watch            | api/v1/secrets                          |                                    | no
accounts           | create           | {_HERE}/serviceaccounts                 |                                    | yes
accounts           | create           | {_HERE}/serviceaccounts/default/token   |                                    | no
accounts           | create           | {_HERE}/configmaps                      |                                    | no
root certificates  | create           | {_HERE}/configmaps                      |                                    | yes
root certificates  | create           | {_HERE}/serviceaccounts                 |                                    | no
endpoints          | update           | {_HERE}/endpoints/x                     |                                    | yes
endpoints          | update           | {_HERE}/services/x                      |                                    | no
nodes              | update           | api/v1/nodes/n1                         |                                    | yes
nodes              | delete           | {_HERE}/pods/x                          |                                    | yes
nodes              | create           | {_HERE}/pods                            |                                    | no
certificates       | update           | {_CSRS}/x/approval                      |                                    | yes
certificates       | update           | {_CSRS}/x/status                        |                                    | yes
certificates       | delete           | {_CSRS}/x                               |                                    | yes
certificates       | create           | {_CSRS}                                 |                                    | no
certificates       | get              | {_HERE}/secrets/tls                     |                                    | no
certificates       | create           | {_RBAC}/clusterrolebindings             |                                    | no
expired tokens     | delete           | {_KUBE}/secrets/x                       |                                    | yes
expired tokens     | create           | {_KUBE}/secrets                         |                                    | no
expired tokens     | delete           | {_HERE}/secrets/tls                     |                                    | no
cluster info       | update           | api/v1/namespaces/kube-public/configmaps/cluster-info |                      | yes
cluster info       | update           | api/v1/namespaces/kube-public/configmaps/x |                                 | no
cluster info       | delete           | {_KUBE}/secrets/x                       |                                    | no
cluster info       | get              | {_HERE}/secrets/tls                     |                                    | no
proxy              | watch            | api/v1/services                         |                                    | yes
proxy              | watch            | apis/discovery.k8s.io/v1/endpointslices |                                    | yes
proxy              | create           | api/v1/namespaces/kube-system/services  |                                    | no
proxy              | create           | {_HERE}/services                        |                                    | no
proxy              | list             | api/v1/pods                             |                                    | yes
proxy              | create           | {_HERE}/pods                            |                                    | no
proxy              | get              | {_HERE}/secrets/tls                     |                                    | no
gateway            | watch            | {_NET}/ingresses                        |                                    | yes
gateway            | get              | {_HERE}/secrets/tls                     |                                    | yes
gateway            | list             | {_HERE}/secrets                         | metadata.name=tls                  | yes
gateway            | watch            | {_HERE}/secrets                         | metadata.name=tls                  | yes
gateway            | get              | {_HERE}/secrets/others-tls              |                                    | no
gateway            | get              | {_HERE}/secrets/env                     |                                    | no
gateway            | get              | {_THERE}/secrets/tls                    |                                    | no
gateway            | list             | {_HERE}/secrets                         |                                    | no
gateway            | watch            | api/v1/secrets                          | metadata.name=tls                  | no
gateway            | update           | {_HERE}/secrets/tls                     |                                    | no
gateway            | delete           | {_HERE}/secrets/tls                     |                                    | no
gateway            | patch            | {_NET}/namespaces/default/ingresses/i/status |                               | yes
gateway            | patch            | {_NET}/namespaces/default/ingresses/i   |                                    | no
gateway            | list             | api/v1/pods                             |                                    | no
platform           | create           | {_CRDS}                                 |                                    | yes
platform           | patch            | {_CRDS}/apps.apps.pilothouse.dev        |                                    | yes
platform           | patch            | {_CRDS}/others.example.com              |                                    | no
platform           | get              | {_HERE}/secrets/env                     |                                    | no
platform           | create           | {_DEPLOYMENTS}                          |                                    | no
platform           | update           | {_SYSTEM}/configmaps/pilothouse         |                                    | yes
platform           | update           | {_SYSTEM}/configmaps/pilothouse-config  |                                    | no
apps               | watch            | {_APPS}/apps                            |                                    | yes
apps               | patch            | {_APPS}/namespaces/default/apps/a/status |                                   | yes
apps               | patch            | {_APPS}/namespaces/default/apps/a       |                                    | no
apps               | create           | {_DEPLOYMENTS}                          |                                    | yes
apps               | watch            | {_HERE}/secrets                         | metadata.name=env                  | yes
apps               | get              | {_HERE}/secrets/tls                     |                                    | no
apps               | get              | {_THERE}/secrets/env                    |                                    | no
apps               | list             | api/v1/secrets                          |                                    | no
apps               | update           | {_HERE}/secrets/env                     |                                    | no
apps               | create           | {_HERE}/pods                            |                                    | no
apps               | create           | {_RBAC}/clusterrolebindings             |                                    | no
readiness          | patch            | {_HERE}/pods/x/status                   |                                    | yes
readiness          | patch            | {_HERE}/pods/x                          |                                    | no
readiness          | list             | api/v1/secrets                          |                                    | no
databases          | update           | {_DATABASES}/mysqls/x/status            |                                    | yes
databases          | create           | {_DATABASES}/mysqls                     |                                    | no
databases          | delete           | {_DATABASES}/mysqls/x                   |                                    | no
databases          | patch            | {_HERE}/pods/x/resize                   |                                    | yes
databases          | create           | {_HERE}/pods                            |                                    | no
databases          | get              | {_HERE}/pods/x/exec                     |                                    | no
databases          | list             | api/v1/secrets                          |                                    | no
databases          | patch            | {_HERE}/secrets/x                       |                                    | no
databases          | delete           | api/v1/namespaces/x                     |                                    | no
builds             | create           | {_HERE}/pods                            |                                    | yes
builds             | get              | {_HERE}/pods/x/log                      |                                    | yes
builds             | get              | {_HERE}/pods/x/exec                     |                                    | no
builds             | get              | {_HERE}/secrets/git                     |                                    | yes
builds             | get              | {_HERE}/secrets/env                     |                                    | no
builds             | update           | {_HERE}/secrets/pilothouse-build-environment |                               | yes
builds             | update           | {_HERE}/secrets/git                     |                                    | no
builds             | create           | {_DEPLOYMENTS}                          |                                    | no
registry           | list             | api/v1/pods                             |                                    | yes
registry           | delete           | {_HERE}/pods/x                          |                                    | no
registry           | list             | api/v1/secrets                          |                                    | no
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]


@pytest.fixture
async def server(store: Store, state: Path) -> AsyncIterator[ApiServer]:
    known = {"cluster_roles": rights.cluster_roles(), "cluster_role_bindings": rights.cluster_role_bindings()}
    async with ApiServer.open(store, Settings(state, secret_readers=secret_readers(), **known)) as server:  # type: ignore[arg-type]
        await crds.install(client_of(server, platform_part(rights.SETUP)), [APP, BUILD])
        yield server


def _ingress(name: str, secret: str, ingress_class: str) -> dict[str, object]:
    spec = {
        "ingressClassName": ingress_class,
        "tls": [{"hosts": ["a.example"], "secretName": secret}],
        "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
    }
    return {"metadata": {"name": name}, "spec": spec}


async def _furnish(admin: Api) -> None:
    """Secrets, and objects that name some of them: an Ingress of the gateway and one of another, an App, a Build."""
    for name in ("other", rights.SYSTEM):
        await admin.post("/api/v1/namespaces", {"metadata": {"name": name}})
    for place, name in ((_HERE, "tls"), (_HERE, "others-tls"), (_HERE, "env"), (_HERE, "git"), (_THERE, "tls"), (_THERE, "env")):
        await admin.post(f"/{place}/secrets", {"metadata": {"name": name}})
    for name, controller in (("ours", CONTROLLER), ("theirs", "example.com/other")):
        await admin.post(f"/{_NET}/ingressclasses", {"metadata": {"name": name}, "spec": {"controller": controller}})
    await admin.post(f"/{_NET}/namespaces/default/ingresses", _ingress("i", "tls", "ours"))
    await admin.post(f"/{_NET}/namespaces/default/ingresses", _ingress("j", "others-tls", "theirs"))
    app = {"apiVersion": "apps.pilothouse.dev/v1", "kind": "App", "metadata": {"name": "a"}, "spec": {"image": "a:1", "secrets": ["env"]}}
    await admin.post(f"/{_APPS}/namespaces/default/apps", app)
    spec = {"source": {"git": {"url": "https://example.com/x", "secret": "git"}}, "image": "x:1"}
    build = {"apiVersion": "builds.pilothouse.dev/v1", "kind": "Build", "metadata": {"name": "b"}, "spec": spec}
    await admin.post(f"/{_BUILDS}/namespaces/default/builds", build)


@pytest.mark.parametrize("who", USERS)
async def test_each_part_may_do_its_job_and_nothing_next_to_it(api: Api, https: Https, who: str) -> None:
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


async def test_a_secret_is_read_as_long_as_an_ingress_of_the_gateways_names_it(api: Api) -> None:
    await _furnish(api)
    gateway = api.as_user("system:gateway")
    await gateway.get(f"/{_HERE}/secrets/tls")
    await api.patch(f"/{_NET}/namespaces/default/ingresses/i", {"spec": {"ingressClassName": "theirs"}})
    assert (await gateway.refused("GET", f"/{_HERE}/secrets/tls")).code == 403
    await api.patch(f"/{_NET}/namespaces/default/ingresses/j", {"spec": {"ingressClassName": "ours"}})
    await gateway.get(f"/{_HERE}/secrets/others-tls")
    await api.delete(f"/{_NET}/namespaces/default/ingresses/j")
    assert (await gateway.refused("GET", f"/{_HERE}/secrets/others-tls")).code == 403


async def test_an_ingress_without_a_class_counts_while_the_gateways_is_the_default(api: Api) -> None:
    await _furnish(api)
    gateway = api.as_user("system:gateway")
    await api.patch(f"/{_NET}/namespaces/default/ingresses/i", {"spec": {"ingressClassName": None}})
    assert (await gateway.refused("GET", f"/{_HERE}/secrets/tls")).code == 403
    default = {"metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}
    await api.patch(f"/{_NET}/ingressclasses/ours", default)
    await gateway.get(f"/{_HERE}/secrets/tls")


async def test_the_copies_of_secrets_are_listed_by_the_label_that_the_platform_gives_them(api: Api) -> None:
    await _furnish(api)
    name, _, value = COPIES.partition("=")
    await api.post(f"/{_HERE}/secrets", {"metadata": {"name": "copy", "labels": {name: value}}})
    apps = api.as_user(rights.account(rights.APPS))
    assert await apps.names("/api/v1/secrets", labelSelector=COPIES) == ["copy"]
    assert (await apps.refused("GET", "/api/v1/secrets", labelSelector=f"{name}!=x")).code == 403
