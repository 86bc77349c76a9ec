"""A web shop of five services by helm: a purchase goes through all of them, and the load decides how many frontends there are."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.charts.release import Release, down_and_up, restart_node
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(500)]
HOST = "shop.charts.test"


@pytest.fixture
def shop(images: Callable[..., str], release: Callable[[str], Release]) -> Release:
    images("python", "1", "2")
    return release("s")


def page(shop: Release) -> Any:
    """The first page through the gateway, once it is there."""

    def answer() -> Any:
        status, body = shop.instance.fetch(HOST)
        return json.loads(body) if status == 200 else None

    return eventually(answer, 30, 0.3)


def buys(shop: Release) -> None:
    """The test of the chart: a cart is filled and paid for, through the frontend."""
    assert "Succeeded" in shop.helm("test", "s", "--timeout=60s")


def frontends(shop: Release) -> int:
    found: int = shop.get("deployment", "s-frontend")["spec"]["replicas"]
    return found


def test_a_purchase_goes_through_five_services_over_the_whole_life_of_the_shop(shop: Release) -> None:
    helm = shop.helm
    helm.install("s", "shop")
    assert page(shop) == {"products": [{"name": "compass", "price": 40}, {"name": "sextant", "price": 250}], "version": "1"}
    buys(shop)
    helm.upgrade("s", "shop", "--set", "image.tag=2", "--set", "services.catalog.replicas=1", "--set", "currency=CNY")
    assert page(shop)["version"] == "2"
    buys(shop)
    helm.rollback("s", 1)
    assert page(shop)["version"] == "1"
    shop.kubectl("scale", "deployment/s-catalog", "--replicas=3")
    shop.is_ready(3, "catalog")
    victim = shop.pods("checkout")[0]["metadata"]["name"]
    shop.kubectl("delete", "pod", victim, "--wait=false")
    shop.is_ready(1, "checkout")
    restart_node(shop.instance)
    buys(shop)
    down_and_up(shop.instance)
    assert page(shop)["version"] == "1"
    buys(shop)
    helm.uninstall("s")
    shop.is_gone()
    assert shop.instance.fetch(HOST)[0] == 404
    helm.install("s", "shop", "--set", "autoscaling.enabled=false")
    buys(shop)


def test_an_upgrade_that_fails_is_rolled_back_by_helm_while_the_shop_goes_on_serving(shop: Release) -> None:
    helm = shop.helm
    helm.install("s", "shop")
    settings = [option for each in (*helm.settings, "image.tag=absent") for option in ("--set", each)]
    failed = helm.attempt("upgrade", "s", str(helm.chart("shop")), "--rollback-on-failure", "--wait", "--timeout=15s", *settings)
    assert failed.returncode != 0
    assert "rolled back" in failed.stderr
    assert [state for _, state in helm.history("s")] == ["superseded", "failed", "deployed"]
    buys(shop)
    assert page(shop)["version"] == "1"


LOAD = """
import threading, urllib.request
def work():
    while True:
        try:
            urllib.request.urlopen("http://s-frontend/work", timeout=5).read()
        except OSError:
            pass
for _ in range(3):
    threading.Thread(target=work).start()
"""


def test_the_frontend_grows_under_load_and_shrinks_after_it(shop: Release) -> None:
    shop.helm.install("s", "shop")
    assert frontends(shop) == 1
    image = shop.get("deployment", "s-frontend")["spec"]["template"]["spec"]["containers"][0]["image"]
    shop.kubectl("run", "load", f"--image={image}", "--restart=Never", "--command", "--", "python3", "-c", LOAD)

    def has_grown() -> bool:
        return frontends(shop) == 3

    eventually(has_grown, 120, 1)
    shop.is_ready(3, "frontend")
    shop.helm.upgrade("s", "shop", "--set", "image.tag=2")
    assert frontends(shop) == 3, "an upgrade undid what the load had decided"
    shop.kubectl("delete", "pod", "load", "--now")

    def has_shrunk() -> bool:
        return frontends(shop) == 1

    eventually(has_shrunk, 120, 1)
