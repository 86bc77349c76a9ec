from pilothouse.engine.controllers.namespace import plan
from tests.engine.controllers.objects import NOW


def words(removal: plan.Removal) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["message"]) for each in plan.conditions({}, removal, NOW)}


def test_what_remains_and_what_holds_it_is_said() -> None:
    removal = plan.Removal()
    removal.remains("pods.", [{"metadata": {"finalizers": ["x/y"]}}, {"metadata": {}}])
    found = words(removal)
    assert not removal.is_complete
    assert found["NamespaceContentRemaining"] == ("True", "Some resources are remaining: pods. has 2 resource instances")
    assert found["NamespaceFinalizersRemaining"][1].endswith("finalizers remaining: x/y in 1 resource instances")


def test_an_empty_namespace_says_that_all_is_well() -> None:
    removal = plan.Removal()
    assert removal.is_complete
    assert {status for status, _ in words(removal).values()} == {"False"}


def test_conditions_that_say_the_same_keep_their_times() -> None:
    first = plan.conditions({}, plan.Removal(), NOW)
    assert plan.conditions({"status": {"conditions": first}}, plan.Removal(), NOW + 60) == first


def test_only_our_finalizer_is_taken_off() -> None:
    assert plan.without_finalizer({"spec": {"finalizers": ["kubernetes", "other"]}})["spec"]["finalizers"] == ["other"]
