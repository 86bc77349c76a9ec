import pytest

from pilothouse.platform.builds.inside.modes import changed, is_symbolic


@pytest.mark.parametrize(
    ("mode", "text", "is_folder", "expected"),
    [
        (0o600, "u=rwX,go=rX", False, 0o644),
        (0o700, "u=rwX,go=rX", True, 0o755),
        (0o644, "+x", False, 0o755),
        (0o777, "go-wx", False, 0o744),
        (0o640, "a=r,u+w", False, 0o644),
        (0o644, "u+x,g=", False, 0o704),
        (0o644, "o=u-r", False, None),
        (0o755, "u+s,+t", False, 0o5755),
    ],
)
def test_symbolic_modes_are_what_they_are_to_chmod(mode: int, text: str, is_folder: bool, expected: int | None) -> None:
    if expected is None:
        assert not is_symbolic(text)
        with pytest.raises(ValueError, match="is no file mode"):
            changed(mode, text, is_folder=is_folder)
    else:
        assert changed(mode, text, is_folder=is_folder) == expected


def test_an_octal_mode_is_not_symbolic() -> None:
    assert [text for text in ("644", "0755", "") if is_symbolic(text)] == []
