"""Which class an Ingress gets that names none."""

from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
DEFAULT = {"ingressclass.kubernetes.io/is-default-class": "true"}


def ingress(name: str, *, annotations: dict[str, str] | None = None, **spec: object) -> Object:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    return {"metadata": {"name": name, "annotations": annotations or {}}, "spec": {"defaultBackend": backend} | spec}


def ingress_class(name: str, annotations: dict[str, str]) -> Object:
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"controller": "example.com/c"}}


async def class_given(api: Api, made: Object) -> str | None:
    found: str | None = (await api.post(INGRESSES, made))["spec"].get("ingressClassName")
    return found


async def test_an_ingress_without_a_class_gets_the_default_one(api: Api) -> None:
    await api.post(CLASSES, ingress_class("plain", {}))
    assert await class_given(api, ingress("first")) is None
    await api.post(CLASSES, ingress_class("b", DEFAULT))
    assert await class_given(api, ingress("second")) == "b"
    await api.post(CLASSES, ingress_class("a", DEFAULT))
    assert await class_given(api, ingress("third")) in ("a", "b"), "of several one is taken, and nothing is refused"


async def test_an_ingress_that_names_a_class_keeps_it(api: Api) -> None:
    await api.post(CLASSES, ingress_class("default", DEFAULT))
    assert await class_given(api, ingress("by-field", ingressClassName="other")) == "other"
    assert await class_given(api, ingress("by-annotation", annotations={"kubernetes.io/ingress.class": "other"})) is None
    await api.post(INGRESSES, ingress("later", ingressClassName="other"))
    changed = await api.patch(f"{INGRESSES}/later", {"spec": {"ingressClassName": None}})
    assert "ingressClassName" not in changed["spec"], "only what is made gets one"
