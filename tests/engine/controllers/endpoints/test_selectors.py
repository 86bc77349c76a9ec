"""Services by what they select."""

import time
from typing import Any

from pilothouse.client.informer import Informer
from pilothouse.engine.controllers.endpoints.selectors import Selectors
from pilothouse.model.json import Object
from pilothouse.model.kinds import SERVICES
from tests.engine.controllers.objects import pod


def informer() -> Informer:
    return Informer(None, SERVICES)  # type: ignore[arg-type] - it is fed by hand


def service(name: str, selector: dict[str, str] | None, revision: str = "1", namespace: str = "default", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": revision}
    return {"metadata": metadata, "spec": spec | ({"selector": selector} if selector else {})}


def put(services: Informer, *objects: Object) -> None:
    for each in objects:
        services._apply("MODIFIED", each)


def test_services_are_found_whose_selector_a_pod_meets_before_or_after_a_change() -> None:
    services = informer()
    found = Selectors(services)
    put(
        services,
        service("web", {"app": "web"}),
        service("canary", {"app": "web", "track": "canary"}),
        service("db", {"app": "db"}),
        service("none", None),
        service("outside", {"app": "web"}, type="ExternalName"),
        service("elsewhere", {"app": "web"}, namespace="other"),
    )
    plain, canary = pod("a", labels={"app": "web"}), pod("a", labels={"app": "web", "track": "canary", "x": "y"})
    assert found.of(plain) == {"default/web"}
    assert found.of(plain, canary) == {"default/web", "default/canary"}
    assert found.of(None, pod("b", labels={"app": "db"})) == {"default/db"}
    assert found.of(pod("c", labels={})) == set()


def test_a_changed_selector_and_a_service_that_goes_are_followed() -> None:
    services = informer()
    put(services, service("web", {"app": "web"}))
    found = Selectors(services)
    web, db = pod("a", labels={"app": "web"}), pod("b", labels={"app": "db"})
    put(services, service("web", {"app": "db"}, "2"))
    assert (found.of(web), found.of(db)) == (set(), {"default/web"})
    put(services, service("web", {"app": "db"}, "3"))
    assert found.of(db) == {"default/web"}
    put(services, service("web", {"app": "db"}, "4", type="ExternalName"))
    assert found.of(db) == set()
    put(services, service("web", {"app": "db"}, "5"))
    services._apply("DELETED", service("web", {"app": "db"}, "6"))
    assert found.of(db) == set()
    assert not found._found


def test_ten_thousand_services_are_not_looked_at_one_by_one() -> None:
    services = informer()
    found = Selectors(services)
    put(services, *(service(f"s{number}", {"app": f"app-{number}", "tier": "web"}) for number in range(10_000)))
    asked = pod("a", labels={"app": "app-777", "tier": "web", "pod-template-hash": "x"})
    began = time.process_time()
    for _ in range(100):
        assert found.of(asked, asked) == {"default/s777"}
    assert time.process_time() - began < 0.1
