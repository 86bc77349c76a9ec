import random
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model import meta, names

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
OWNED = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "u1",
        "ownerReferences": [{"kind": "Node", "name": "n"}, {"kind": "ReplicaSet", "name": "web", "controller": True}],
    }
}


def test_key_has_the_namespace_in_front() -> None:
    assert meta.key(OWNED) == "shop/web-1"
    assert meta.key({"metadata": {"name": "node-1"}}) == "node-1"


def test_an_object_without_metadata_has_empty_everything() -> None:
    assert (meta.name({}), meta.namespace({}), meta.uid({}), meta.labels({}), meta.owner_references({})) == ("", "", "", {}, [])
    assert not meta.is_deleting({})
    assert meta.condition({}, "Ready") is None


def test_the_controller_is_the_owner_marked_as_such() -> None:
    assert meta.controller_of(OWNED) == {"kind": "ReplicaSet", "name": "web", "controller": True}
    assert meta.controller_of({"metadata": {"ownerReferences": [{"name": "n"}]}}) is None


def test_an_owner_reference_names_the_owner_by_uid() -> None:
    found = meta.owner_reference(OWNED, "v1", "Pod")
    assert found == {"apiVersion": "v1", "kind": "Pod", "name": "web-1", "uid": "u1", "blockOwnerDeletion": True, "controller": True}
    assert "controller" not in meta.owner_reference(OWNED, "v1", "Pod", controller=False)


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    before = [{"type": "Ready", "status": "True", "reason": "A", "lastTransitionTime": NOW}]
    after = meta.with_condition(before, {"type": "Ready", "status": "True", "reason": "B"}, LATER)
    assert after == [{"type": "Ready", "status": "True", "reason": "B", "lastTransitionTime": NOW}]


def test_a_condition_whose_status_changes_gets_a_new_transition_time() -> None:
    before = [{"type": "Ready", "status": "True", "lastTransitionTime": NOW}, {"type": "Other", "status": "True"}]
    after = meta.with_condition(before, {"type": "Ready", "status": "False"}, LATER)
    assert after[0] == {"type": "Ready", "status": "False", "lastTransitionTime": LATER}
    assert after[1] == before[1]
    assert before[0]["status"] == "True"


def test_a_new_condition_comes_last() -> None:
    assert meta.with_condition(None, {"type": "Ready", "status": "True"}, NOW) == [
        {"type": "Ready", "status": "True", "lastTransitionTime": NOW}
    ]


@given(st.integers(0, 4_000_000_000))
def test_whole_seconds_survive_rfc3339(seconds: int) -> None:
    assert meta.parse_rfc3339(meta.rfc3339(seconds)) == seconds


@given(st.integers(0, 4_000_000_000_000_000))
def test_microseconds_survive_rfc3339_micro(micros: int) -> None:
    text = meta.rfc3339_micro(micros / 1e6)
    assert len(text) == len("2006-01-02T15:04:05.000000Z")
    assert meta.parse_rfc3339(text) == pytest.approx(micros / 1e6, abs=1e-6)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", ""])
def test_what_is_no_rfc3339_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        meta.parse_rfc3339(text)


def test_generated_names_fit_a_label_and_use_the_safe_alphabet() -> None:
    found = meta.generate_name("x" * 80, random.Random(1))
    assert len(found) == 63
    assert names.dns1123_label(found) == []
    assert set(meta.generate_name("", random.Random(1))) <= set(meta.NAME_ALPHABET)


def test_each_new_uid_is_another_random_uuid() -> None:
    found = {meta.new_uid() for _ in range(1000)}
    assert len(found) == 1000
    assert {(uuid.UUID(each).version, uuid.UUID(each).variant) for each in found} == {(4, uuid.RFC_4122)}
    assert all(str(uuid.UUID(each)) == each for each in found)


def test_each_thread_gets_uids_of_its_own() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: [meta.new_uid() for _ in range(5000)], range(4)))
    finally:
        sys.setswitchinterval(before)
    assert len({each for some in found for each in some}) == 20_000
