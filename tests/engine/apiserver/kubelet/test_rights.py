"""Who may ask the node what: strangers nothing, others what roles grant on subresources of its Node object, as upstream has it."""

import pytest

from pilothouse.engine.node.kubelet.rights import subresources, verb
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import grant, rule
from tests.engine.apiserver.kubelet.conftest import NODE, Kubelet

PATHS = {
    "/healthz": "healthz",
    "/pods": "pods",
    "/runningpods/": "pods",
    "/configz": "configz",
    "/stats/summary": "stats",
    "/metrics": "metrics",
    "/metrics/cadvisor": "metrics",
    "/metrics/resource": "metrics",
    "/metrics/probes": "metrics",
    "/containerLogs/default/p/c": "proxy",
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/pods", ("pods", "proxy")),
        ("/pods/", ("pods", "proxy")),
        ("/podsx", ("proxy",)),
        ("/runningpods/", ("pods", "proxy")),
        ("/healthz/ping", ("healthz", "proxy")),
        ("/configz", ("configz", "proxy")),
        ("/stats/summary", ("stats",)),
        ("/metrics/cadvisor", ("metrics",)),
        ("/logs/", ("log",)),
        ("/checkpoint/default/p/c", ("checkpoint",)),
        ("/exec/default/p/c", ("proxy",)),
        ("/run/default/p/c", ("proxy",)),
        ("/", ("proxy",)),
        ("/stats/../exec/default/p/c", ("stats",)),
    ],
)
def test_each_path_needs_its_subresource(path: str, wanted: tuple[str, ...]) -> None:
    assert subresources(path.split("/")[1:]) == wanted


def test_methods_are_verbs_and_others_are_nobodys() -> None:
    assert [verb(each) for each in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE")] == [
        "get", "create", "update", "patch", "delete", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize("path", [*PATHS, "/logs/", "/nosuch"])
async def test_a_stranger_is_refused_whatever_is_asked(kubelet: Kubelet, path: str) -> None:
    answer = await kubelet.ask(path)
    assert (answer.status, answer.body) == (401, b"Unauthorized\n")


@pytest.mark.parametrize(("path", "subresource"), PATHS.items())
async def test_a_user_needs_just_the_right_for_the_path(kubelet: Kubelet, api: Api, path: str, subresource: str) -> None:
    others = sorted({*PATHS.values(), "log"} - {subresource, "proxy"})
    await grant(api, "eve", rule("get", " ".join(f"nodes/{each}" for each in others)), rule("create", f"nodes/{subresource}"))
    refused = await kubelet.ask(path, user="eve")
    assert refused.status == 403
    assert f"user=eve, verb=get, resource=nodes, subresource(s)=[{subresource}".encode() in refused.body
    await grant(api, "ann", rule("get", f"nodes/{subresource}"))
    assert (await kubelet.ask(path, user="ann")).status == 200


async def test_a_right_on_another_node_is_none(kubelet: Kubelet, api: Api) -> None:
    await grant(api, "ann", rule("get", "nodes/stats") | {"resourceNames": ["other"]})
    await grant(api, "bob", rule("get", "nodes/stats") | {"resourceNames": [NODE]})
    assert (await kubelet.ask("/stats/summary", user="ann")).status == 403
    assert (await kubelet.ask("/stats/summary", user="bob")).status == 200


async def test_the_right_to_read_the_proxy_starts_no_program(kubelet: Kubelet, api: Api) -> None:
    await grant(api, "ann", rule("get", "nodes/proxy"))
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    for path in ("/exec/default/p/c?command=id&output=1", "/attach/default/p/c?output=1", "/portForward/default/p?port=80"):
        assert (await kubelet.ask(path, user="ann")).status == 403
        assert (await kubelet.ask(path, *upgrade, user="ann")).status == 403
    assert (await kubelet.ask("/run/default/p/c?cmd=id", user="ann")).status == 403
    assert (await kubelet.ask("/run/default/p/c?cmd=id", user="ann", method="POST")).status == 403


async def test_groups_of_certificates_count(kubelet: Kubelet, api: Api) -> None:
    assert (await kubelet.ask("/metrics", user="prometheus")).status == 403
    assert (await kubelet.ask("/metrics", user="prometheus", groups=("system:monitoring",))).status == 200


async def test_a_service_accounts_token_is_asked_about(kubelet: Kubelet, api: Api) -> None:
    token = await api.post("/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})
    bearer = f"Authorization: Bearer {token['status']['token']}"
    assert (await kubelet.ask("/stats/summary", bearer)).status == 403
    await grant(api, "system:serviceaccount:default:default", rule("get", "nodes/metrics"))
    assert (await kubelet.ask("/metrics/resource", bearer)).status == 200
    for wrong in ("Bearer nonsense", "Bearer", "Basic YTpi", f"Bearer {'x' * 20_000}"):
        assert (await kubelet.ask("/metrics/resource", f"Authorization: {wrong}")).status == 401
