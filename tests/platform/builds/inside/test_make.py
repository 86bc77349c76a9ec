import os
from pathlib import Path

import pytest

from pilothouse.platform.builds.inside import make

PROGRAM = """\
echo x >>"$TRIES"
[ "$(wc -l <"$TRIES")" -ge 3 ] && exit 0
echo "$SAID" >&2
exit 1
"""


def tries(folder: Path, said: str) -> tuple[int, int]:
    """How often it was pushed, and the last exit status."""
    environ = {**os.environ, "TRIES": str(folder / "tries"), "SAID": said}
    done = make._pushed(["sh", "-c", PROGRAM], environ)
    return len((folder / "tries").read_text().split()), done.returncode


@pytest.mark.parametrize(
    "said", ["received unexpected HTTP status: 405 Method Not Allowed", "dial tcp 127.0.0.1:5000: connect: connection refused"]
)
def test_a_push_waits_while_the_registry_removes_unused_blobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(make, "AGAIN_S", 0.0)
    assert tries(tmp_path, said) == (3, 0)


def test_any_other_refusal_of_a_push_is_final(tmp_path: Path) -> None:
    assert tries(tmp_path, "no space left on device") == (1, 1)


@pytest.mark.parametrize(("attempt", "names"), [(0, ["r/shop:1"]), (2, ["r/shop:1-2", "r/shop:1"])])
def test_an_attempt_after_the_first_gives_its_image_a_tag_that_no_earlier_one_moves(attempt: int, names: list[str]) -> None:
    assert make._names("r/shop:1", attempt) == names
