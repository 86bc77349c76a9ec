"""helm, the charts' images in the instance's registry, and a release in a namespace of its own."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.charts.helm import Helm
from tests.e2e.charts.images import push
from tests.e2e.charts.release import Release
from tests.e2e.instance import Instance


@pytest.fixture(scope="session")
def images(instance: Instance) -> Callable[..., str]:
    """Brings an image of the charts into the registry under these tags; returns the registry's address."""
    registry = f"127.0.0.1:{instance.registry_port}"
    there: set[tuple[str, str]] = set()

    def bring(name: str, *tags: str) -> str:
        missing = [tag for tag in tags if (name, tag) not in there]
        if missing:
            push(registry, name, *missing)
            there.update((name, tag) for tag in missing)
        return registry

    return bring


@pytest.fixture
def helm(instance: Instance, tmp_path: Path) -> Iterator[Helm]:
    """On a namespace of the test's own."""
    name = f"charts-{secrets.token_hex(3)}"
    instance.kubectl("create", "namespace", name)
    yield Helm(instance.home / "admin.kubeconfig", name, tmp_path, (f"image.registry=127.0.0.1:{instance.registry_port}",))
    instance.kubectl("delete", "namespace", name, "--wait=false", check=False)


@pytest.fixture
def release(instance: Instance, helm: Helm) -> Callable[[str], Release]:
    return lambda name: Release(instance, helm, name)


CLASS = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: at-once}
provisioner: pilothouse.io/local
volumeBindingMode: Immediate
"""


@pytest.fixture
def at_once(instance: Instance) -> Iterator[str]:
    """A class whose claims are bound before a pod needs them: helm's `--wait` waits for claims that only jobs will mount."""
    instance.kubectl("apply", "-f", "-", input=CLASS)
    yield "at-once"
    instance.kubectl("delete", "storageclass", "at-once")
