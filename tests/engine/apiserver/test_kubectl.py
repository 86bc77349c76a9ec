"""The thin path with a stock kubectl, over TLS."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.csr import CSRS, csr, request
from tests.engine.apiserver.api import Api

KUBECTL = Path(sys.executable).parent / "kubectl"


@pytest.fixture
def kubectl(kubeconfig: Path, api: Api) -> "Kubectl":
    return Kubectl(kubeconfig)


class Kubectl:
    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        cache = self._kubeconfig.parent / "cache"
        command = (str(KUBECTL), f"--kubeconfig={self._kubeconfig}", f"--cache-dir={cache}", *arguments)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
        async with asyncio.timeout(20):
            out, _ = await process.communicate(stdin.encode())
        assert process.returncode == 0, out.decode()
        return out.decode()


async def test_an_object_lives_from_create_to_delete(kubectl: Kubectl) -> None:
    assert "created" in await kubectl("create", "configmap", "a", "--from-literal=x=1")
    assert await kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "1"
    assert "patched" in await kubectl("patch", "configmap", "a", "-p", '{"data":{"y":"2"}}')
    assert "deleted" in await kubectl("delete", "configmap", "a")


async def test_apply_checks_fields_on_the_server(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"
    assert "configmap/a created" in await kubectl("apply", "-f", "-", stdin=manifest)
    assert "configmap/a configured" in await kubectl("apply", "-f", "-", stdin=manifest.replace("'1'", "'2'"))


async def test_explain_reads_our_schemas(kubectl: Kubectl) -> None:
    assert "restartPolicy" in await kubectl("explain", "pod.spec")


async def test_a_list_is_validated_by_our_schemas(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
    assert "configmap/a created" in await kubectl("apply", "-f", "-", stdin=manifest)


async def test_server_side_apply_takes_over_from_the_clients_own(kubectl: Kubectl) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1', y: '1'}\n"
    await kubectl("apply", "-f", "-", stdin=manifest)
    changed = manifest.replace("x: '1', y: '1'", "x: '2'")
    assert "serverside-applied" in await kubectl("apply", "--server-side", "-f", "-", stdin=changed)
    assert await kubectl("get", "configmap", "a", "-o", "jsonpath={.data}") == '{"x":"2"}'
    assert '\\"x\\":\\"2\\"' in await kubectl("get", "configmap", "a", "-o", "json")


async def test_requests_for_certificates_are_approved_and_denied(kubectl: Kubectl, api: Api) -> None:
    for name in ("good", "bad"):
        await api.post(CSRS, csr(name, request("jane"), expirationSeconds=3600))
    assert "certificatesigningrequest.certificates.k8s.io/good approved" in await kubectl("certificate", "approve", "good")
    assert "certificatesigningrequest.certificates.k8s.io/bad denied" in await kubectl("certificate", "deny", "bad")
    rows = [line.split() for line in (await kubectl("get", "csr")).splitlines()]
    assert rows[0] == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    assert [(row[0], *row[2:]) for row in rows[1:]] == [
        ("bad", "example.com/s", "admin", "60m", "Denied"),
        ("good", "example.com/s", "admin", "60m", "Approved"),
    ]
    assert "expirationSeconds" in await kubectl("explain", "csr.spec")


async def test_the_networks_of_services_are_shown(kubectl: Kubectl) -> None:
    assert "10.96.0.0/16" in await kubectl("get", "servicecidr")
    await kubectl("create", "service", "clusterip", "s", "--tcp=80")
    address = await kubectl("get", "service", "s", "-o", "jsonpath={.spec.clusterIP}")
    assert (await kubectl("get", "ip", address)).splitlines()[1].split() == [address, "services/default/s"]
    assert "parentRef" in await kubectl("explain", "ipaddress.spec")


async def test_a_pod_is_resized(kubectl: Kubectl) -> None:
    manifest = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, resources: {requests: {cpu: 100m}}}]}\n"
    )
    await kubectl("apply", "-f", "-", stdin=manifest)
    patch = '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"200m"}}}]}}'
    assert "patched" in await kubectl("patch", "pod", "p", "--subresource", "resize", "-p", patch)
    assert await kubectl("get", "pod", "p", "-o", "jsonpath={.spec.containers[0].resources.requests.cpu}") == "200m"
