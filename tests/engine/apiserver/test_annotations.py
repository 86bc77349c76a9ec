"""What is noted for the audit log about a request."""

from pilothouse.engine.apiserver.request.annotations import Annotations


def test_the_last_text_of_a_key_counts() -> None:
    annotations = Annotations()
    annotations.add("mutation.example.com/round", "first")
    annotations.add("mutation.example.com/round", "second")
    assert annotations.texts() == {"mutation.example.com/round": "second"}


def test_texts_are_bounded_however_much_is_noted() -> None:
    annotations = Annotations()
    for number in range(1000):
        annotations.add(f"example.com/{number}", "x" * 1_000_000)
    assert sum(map(len, annotations.texts().values())) <= 64 * 1024
    for number in range(1000):
        annotations.add(f"short.example.com/{number}", "")
    assert len(annotations.texts()) <= 100
