from pathlib import Path

import pytest

from pilothouse.cli.apps.variables import parse, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nB = two words  \n", {"A": "1", "B": "two words"}),
        ("# note\n\nexport A=1 # why\nB=a#b\nC=\n", {"A": "1", "B": "a#b", "C": ""}),
        ('A=\'raw $X \\n\'\nB="line\\nbreak \\"q\\""\n', {"A": "raw $X \\n", "B": 'line\nbreak "q"'}),
        ('KEY="-----BEGIN\nabc\n-----END"\nB=2', {"KEY": "-----BEGIN\nabc\n-----END", "B": "2"}),
        ("URL=postgres://u:p@h/d?x=1\r\n", {"URL": "postgres://u:p@h/d?x=1"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("", {}),
    ],
)
def test_a_file_of_variables_is_read_as_people_write_it(text: str, expected: dict[str, str]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [("A=1\nnonsense\n", "line 2 is not KEY=VALUE"), ("1A=x", "line 1: '1A' is no name"), ('A="x\n', "line 1 has a quote")],
)
def test_a_line_that_is_none_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse(text)


def test_a_byte_order_mark_is_no_part_of_a_name_and_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfA=1\n")
    assert read(path) == {"A": "1"}
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ValueError, match="is no file of variables"):
        read(path)
