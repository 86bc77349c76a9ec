"""Admission webhooks of custom resources whose versions a conversion webhook translates."""

from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.versions.things import ONE, TWO, V1, V2, convert, definition, thing, webhook
from tests.engine.apiserver.webhooks.configurations import MUTATING, VALIDATING, answer, hook, patch, register, rule
from tests.engine.apiserver.webhooks.listener import Listener, listening

ONLY_V2 = rule("things", "CREATE UPDATE", group="example.com", version="v2")


async def test_a_webhook_sees_and_changes_the_version_that_it_asks_for(
    api: Api, listener: Listener, authority: CertificateAuthority, store: Store
) -> None:
    def judge(review: Object) -> Object:
        spec = review["request"]["object"]["spec"]
        return patch(review, {"op": "replace", "path": "/spec/address", "value": f"{spec['address']}.local"})

    async with listening(authority) as converter:
        converter.answer = convert
        await api.post(CRDS, definition(ONE, TWO, conversion=webhook(converter)))
        await register(api, MUTATING, hook(listener, ONLY_V2))
        await register(api, VALIDATING, hook(listener, ONLY_V2))
        listener.answer = lambda review: (
            judge(review) if listener.requests[-1].path == "/hook" and len(listener.asked) % 2 else answer(review)
        )
        made = await api.post(V1, thing("v1", host="a", port="1"))
        assert (made["apiVersion"], made["spec"]) == ("example.com/v1", {"host": "a.local", "port": "1"})
        assert made["metadata"]["uid"]
        changing, judging = (review["request"] for review in listener.asked)
        assert (changing["object"]["apiVersion"], changing["object"]["spec"]) == ("example.com/v2", {"address": "a", "port": "1"})
        assert (judging["object"]["spec"], judging["requestKind"]["version"]) == ({"address": "a.local", "port": "1"}, "v1")
        stored = store.get("/things.example.com/default/t")
        assert stored is not None
        assert stored.value["spec"] == {"host": "a.local", "port": "1"}
        changed = await api.patch(f"{V1}/t", {"spec": {"host": "b"}})
        assert changed["spec"]["host"] == "b.local"
        assert listener.asked[2]["request"]["oldObject"]["spec"] == {"address": "a.local", "port": "1"}
        assert (await api.get(f"{V2}/t"))["spec"]["address"] == "b.local"
