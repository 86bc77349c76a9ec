"""What a conversion webhook may answer, and what is said of answers that are none."""

from typing import Any

import pytest

from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.versions.things import ONE, TWO, V1, V2, convert, definition, thing, webhook
from tests.engine.apiserver.webhooks.listener import Listener


async def test_labels_and_annotations_may_be_changed_by_the_webhook(api: Api, converted: Listener) -> None:
    def labelled(document: Any) -> Any:
        answer = convert(document)
        for each in answer["response"]["convertedObjects"]:
            each["metadata"] = each["metadata"] | {"labels": {"a": "b"}, "generation": 99, "finalizers": ["x/y"]}
        return answer

    converted.answer = labelled
    metadata = (await api.get(f"{V2}/t"))["metadata"]
    assert (metadata["labels"], metadata["generation"], "finalizers" in metadata) == ({"a": "b"}, 1, False)


def _but(**changes: Any) -> Any:
    """The right answer with something else in its response, or in the object (`obj_...`) or its metadata (`meta_...`)."""

    def answer(document: Any) -> Any:
        found = convert(document)
        obj = found["response"]["convertedObjects"][0]
        for name, value in changes.items():
            if name.startswith("obj_"):
                obj[name[4:]] = value
            elif name.startswith("meta_"):
                obj["metadata"] = obj["metadata"] | {name[5:]: value}
            else:
                found["response"][name] = value
        return found

    return answer


FAILED = "conversion webhook for example.com/v1, Kind=Thing failed: "

RETURNED = "conversion webhook for example.com/v1, Kind=Thing returned "


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda document: {}, f"{FAILED}expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got , Kind="),
        (lambda document: convert(document) | {"response": None}, f"{FAILED}no response provided"),
        (_but(uid="x"), f'{FAILED}expected response.uid="'),
        (_but(result={"status": "Failed", "message": "no idea"}), f"{FAILED}no idea"),
        (_but(result={}), f"{FAILED}response.result.status was '', not 'Success'"),
        (_but(convertedObjects=[]), f"{RETURNED}0 objects, expected 1"),
        (_but(obj_apiVersion="example.com/v1"), f"{RETURNED}invalid object at index 0: invalid groupVersion (expected example.com/v2, "),
        (_but(obj_kind="Other"), f"{RETURNED}invalid object at index 0: invalid kind (expected Thing, received Other)"),
        (_but(meta_name="u"), f"{RETURNED}invalid object: must have the same name: t != u"),
        (_but(meta_namespace="u"), f"{RETURNED}invalid object: must have the same namespace: default != u"),
        (_but(meta_uid="u"), f"{RETURNED}invalid object: must have the same UID: "),
        (_but(meta_labels={"a": 1}), f"{RETURNED}invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object"),
        (_but(meta_labels={"a b": "c"}), f'{RETURNED}invalid metadata: metadata.labels: Invalid value: "a b": '),
    ],
)
async def test_an_answer_that_is_none_is_told_word_for_word(api: Api, converted: Listener, answer: Any, expected: str) -> None:
    converted.answer = answer
    error = await api.refused("GET", f"{V2}/t")
    assert (error.code, error.message[: len(expected)]) == (500, expected)
    assert (await api.get(f"{V1}/t"))["spec"] == {"host": "a"}


async def test_a_webhook_that_is_not_there_is_said_so(api: Api, listener: Listener) -> None:
    conversion = webhook(listener)
    conversion["webhook"]["clientConfig"] = {"url": "https://127.0.0.1:1/x", "caBundle": listener.bundle}
    await api.post(CRDS, definition(ONE, TWO, conversion=conversion))
    error = await api.refused("POST", V2, thing("v2", address="a"))
    assert error.code == 500
    assert error.message.startswith('conversion webhook for example.com/v2, Kind=Thing failed: Post "https://127.0.0.1:1/x?timeout=30s": ')


async def test_an_old_webhook_is_asked_in_the_review_that_it_knows(api: Api, listener: Listener) -> None:
    await api.post(CRDS, definition(ONE, TWO, conversion=webhook(listener, "v9", "v1beta1", "v1")))
    await api.post(V1, thing("v1", host="a"))
    assert (await api.get(f"{V2}/t"))["spec"]["address"] == "a"
    assert [review["apiVersion"] for review in listener.asked] == ["apiextensions.k8s.io/v1beta1"]
