"""What the server keeps right by itself: tokens in Secrets, its own namespaces and roles, the end of Events."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.apiserver.upkeep.event_expiry import LIFETIME_S, EventExpiry
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import NotFound
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import RBAC, Https, grant, rule
from tests.people import ADMIN

SECRETS = "/api/v1/namespaces/default/secrets"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
NAMESPACES = "/api/v1/namespaces"


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """The condition's first result that is true."""
    async with asyncio.timeout(5):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
    return found


def token_secret(account: str = "default") -> dict[str, Any]:
    notes = {"kubernetes.io/service-account.name": account}
    return {"metadata": {"name": "t", "annotations": notes}, "type": "kubernetes.io/service-account-token"}


@pytest.fixture
async def known(store: Store, state: Path) -> AsyncIterator[Api]:
    """A server that has a certificate to be known by."""
    async with ApiServer.open(store, Settings(state, ca="certificate")) as server:
        yield Api(server, ADMIN)


async def filled(api: Api) -> Any:
    return (await api.get(f"{SECRETS}/t")).get("data")


async def is_gone(api: Api, path: str) -> bool:
    try:
        await api.get(path)
    except NotFound:
        return True
    return False


async def test_a_right_to_create_secrets_shows_nobodys_token(api: Api, https: Https) -> None:
    await grant(api, "maker", rule("create", "secrets"))
    maker = https.certified("maker")
    assert "data" not in await maker.post(SECRETS, token_secret())
    data = await until(lambda: filled(api))
    assert (await maker.refused("GET", f"{SECRETS}/t")).code == 403
    token = base64.b64decode(data["token"]).decode()
    me = await https.bearing(token).post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert me["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"


async def test_a_token_of_a_generated_name_is_good(api: Api, https: Https) -> None:
    wanted = token_secret()
    wanted["metadata"]["generateName"] = "t-"
    del wanted["metadata"]["name"]
    name = (await api.post(SECRETS, wanted))["metadata"]["name"]

    async def data() -> Any:
        return (await api.get(f"{SECRETS}/{name}")).get("data")

    token = base64.b64decode((await until(data))["token"]).decode()
    assert await https.bearing(token).get("/api")


async def test_a_token_goes_with_its_account(api: Api) -> None:
    await api.post(ACCOUNTS, {"metadata": {"name": "short"}})
    await api.post(SECRETS, token_secret("short"))
    await until(lambda: filled(api))
    await api.delete(f"{ACCOUNTS}/short")
    await until(lambda: is_gone(api, f"{SECRETS}/t"))


async def test_a_change_of_an_account_decodes_no_secrets_but_those_for_tokens(api: Api, store: Store) -> None:
    """Whoever may change accounts could else keep the event loop busy with all Secrets of a namespace."""
    for number in range(20):
        await api.post(SECRETS, {"metadata": {"name": f"plain{number}"}, "stringData": {"a": "b"}})
    records = store.scan("/secrets/default/")
    for record in records:
        record.forget()
    await api.patch(f"{ACCOUNTS}/default", {"metadata": {"labels": {"a": "b"}}})
    assert [record.key for record in records if record._value is not None] == []


async def test_the_lease_namespace_comes_again(api: Api) -> None:
    old = await api.get(f"{NAMESPACES}/kube-node-lease")
    await api.delete(f"{NAMESPACES}/kube-node-lease")
    dying = await api.get(f"{NAMESPACES}/kube-node-lease")
    await api.put(f"{NAMESPACES}/kube-node-lease/finalize", dying | {"spec": {}})

    async def is_new() -> bool:
        found: list[dict[str, Any]] = (await api.get(NAMESPACES))["items"]
        return any(each["metadata"]["name"] == "kube-node-lease" and each["metadata"]["uid"] != old["metadata"]["uid"] for each in found)

    await until(is_new)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/api/v1/namespaces/kube-public/configmaps/cluster-info", {"data": {"kubeconfig": "server: https://elsewhere"}}),
        ("/api/v1/namespaces/default/services/kubernetes", {"spec": {"ports": [{"name": "https", "port": 444, "protocol": "TCP"}]}}),
        ("/api/v1/namespaces/default/endpoints/kubernetes", {"subsets": []}),
        ("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes", {"endpoints": []}),
    ],
)
async def test_what_says_where_the_server_is_comes_back_when_it_is_changed_or_deleted(
    known: Api, path: str, change: dict[str, Any]
) -> None:
    async def shown() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await known.get(path)
        except NotFound:
            return None
        return {name: found.get(name) for name in wanted}

    wanted = {name: (await known.get(path))[name] for name in change}

    async def is_right() -> bool:
        return await shown() == wanted

    await known.patch(path, change)
    await until(is_right)
    await known.delete(path)
    await until(is_right)


async def test_what_others_add_to_cluster_info_stays(known: Api) -> None:
    path = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
    await known.patch(path, {"data": {"kubeconfig": None, "jws-kubeconfig-abcdef": "signed"}})

    async def keys() -> bool:
        return set((await known.get(path))["data"]) == {"kubeconfig", "jws-kubeconfig-abcdef"}

    await until(keys)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_other_namespaces_of_the_system_are_not_deleted(api: Api, https: Https, name: str) -> None:
    await grant(api, "cleaner", rule("delete", "namespaces"))
    error = await https.certified("cleaner").refused("DELETE", f"{NAMESPACES}/{name}")
    assert (error.code, error.message) == (403, f'namespaces "{name}" is forbidden: this namespace may not be deleted')


async def test_events_go_an_hour_after_their_last_write(store: Store) -> None:
    now = [1000.0]
    expiry = EventExpiry(store, lambda: now[0])
    event = {"metadata": {"name": "e", "creationTimestamp": "1970-01-01T00:00:00Z"}}
    await store.create("/events/n/old", event)
    expiry.start()
    kept = await store.create("/events/n/kept", event)
    now[0] += LIFETIME_S - 500
    await store.update(kept.key, event, expected=kept.revision)
    await expiry.sweep()
    assert [record.key for record in store.scan("/events/")] == ["/events/n/kept"]
    now[0] += LIFETIME_S
    await expiry.sweep()
    assert store.scan("/events/") == []


async def test_a_server_clears_old_events_away_as_long_as_it_runs(store: Store, state: Path) -> None:
    await store.create("/events/n/old", {"metadata": {"name": "e", "namespace": "n", "creationTimestamp": "1970-01-01T00:00:00Z"}})
    async with ApiServer.open(store, Settings(state)), asyncio.timeout(5):
        while store.scan("/events/"):
            await asyncio.sleep(0.01)


async def test_a_start_adds_what_is_missing_and_leaves_what_people_have_added(store: Store, state: Path) -> None:
    own = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
    async with ApiServer.open(store, Settings(state)) as server:
        api = Api(server, ADMIN)
        await api.patch(f"{RBAC}/clusterroles/system:kube-dns", {"rules": [own]})
        off = {"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}, "rules": []}
        await api.patch(f"{RBAC}/clusterroles/system:monitoring", off)
        await api.patch(f"{RBAC}/clusterrolebindings/system:kube-dns", {"subjects": None})
        await api.delete(f"{RBAC}/clusterrolebindings/cluster-admin")
    async with ApiServer.open(store, Settings(state)) as server:
        api = Api(server, ADMIN)
        rules = (await api.get(f"{RBAC}/clusterroles/system:kube-dns"))["rules"]
        assert own in rules
        assert any("endpoints" in each["resources"] for each in rules)
        assert not (await api.get(f"{RBAC}/clusterroles/system:monitoring"))["rules"]
        assert (await api.get(f"{RBAC}/clusterrolebindings/system:kube-dns"))["subjects"]
        assert await api.get(f"{RBAC}/clusterrolebindings/cluster-admin")


async def test_a_change_of_an_account_looks_at_no_secrets_but_those_of_tokens(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.post(SECRETS, token_secret())
    await api.post(SECRETS, {"metadata": {"name": "other"}, "stringData": {"a": "b"}})
    await until(lambda: filled(api))
    looked: list[str] = []
    scan = store.scan
    monkeypatch.setattr(store, "scan", lambda prefix: looked.append(prefix) or scan(prefix))
    await api.patch(f"{ACCOUNTS}/default", {"metadata": {"labels": {"a": "b"}}})
    await api.delete(f"{ACCOUNTS}/default")
    await until(lambda: is_gone(api, f"{SECRETS}/t"))
    assert await api.names(SECRETS) == ["other"]
    assert not [prefix for prefix in looked if prefix.startswith("/secrets/")]
