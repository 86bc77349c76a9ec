import json

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.platform.builds.outcome import ROOM, Outcome, Prepared, Step, read, read_prepared, write, write_prepared

STEPS = st.builds(Step, st.text(max_size=60), st.integers(0, 999), st.just(1.5), st.booleans())


@given(st.text(max_size=300), st.lists(STEPS, max_size=8), st.lists(st.integers(1, 65535), max_size=5))
def test_what_fits_is_read_as_it_was_written(message: str, steps: list[Step], ports: list[int]) -> None:
    outcome = Outcome("", message, "sha256:1", tuple(ports), {"user": "1"}, tuple(steps))
    written = write(outcome)
    assert len(written) <= ROOM
    if len(json.dumps(message)) + sum(len(json.dumps(step.name)) for step in steps) < 2000:
        assert read(written) == outcome


def test_of_very_many_steps_the_first_are_kept_and_everything_else_stays() -> None:
    outcome = Outcome(digest="sha256:1", ports=(80,), steps=tuple(Step(f"RUN {'x' * 500}", n, 1.0, False) for n in range(300)))
    found = read(write(outcome))
    assert found is not None
    assert (found.digest, found.ports) == ("sha256:1", (80,))
    assert [step.line for step in found.steps] == list(range(len(found.steps)))
    assert len(found.steps) > 10


def test_a_message_that_does_not_fit_is_cut() -> None:
    found = read(write(Outcome("BuildFailed", "\U0001f600" * 4000)))
    assert found is not None
    assert found.message


def test_other_words_are_no_outcome() -> None:
    assert [read(text) for text in ("", "killed", "[]", "{}", '"x"')] == [None] * 5
    assert read_prepared("FROM x") is None
    assert read_prepared(write_prepared(Prepared(("a", "b")))) == Prepared(("a", "b"))


def test_an_image_that_exposes_a_whole_range_has_an_outcome() -> None:
    found = read(write(Outcome(digest="sha256:1", ports=tuple(range(1, 5000)), image={"command": ["x" * 200]})))
    assert found is not None
    assert (found.digest, found.ports[:2], found.image) == ("sha256:1", (1, 2), {"command": ["x" * 200]})
