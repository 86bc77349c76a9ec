from pilothouse.model.depth import DEEPEST, is_too_deep, may_be_too_deep
from pilothouse.model.json import dumps


def nested(depth: int) -> object:
    value: object = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


def test_values_may_be_nested_to_a_depth_that_everything_can_walk() -> None:
    assert not is_too_deep(nested(DEEPEST))
    assert is_too_deep(nested(DEEPEST + 1))
    assert not is_too_deep("text")


def test_a_text_that_is_too_deep_is_looked_at_and_a_flat_one_with_few_brackets_is_not() -> None:
    assert may_be_too_deep(dumps(nested(DEEPEST + 1)))
    assert not may_be_too_deep(dumps({"a": [1] * 1000}))
