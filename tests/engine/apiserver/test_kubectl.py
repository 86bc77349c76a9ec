"""The thin path with a stock kubectl, over TLS."""

import asyncio
import sys
from pathlib import Path

import pytest

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
