"""Digests of the program's files."""

from pathlib import Path

from pilothouse.engine.apiserver.discovery.sources import digest


def test_a_digest_follows_names_and_contents(tmp_path: Path) -> None:
    found = []
    for name, text in (("a", "x"), ("a", "y"), ("b", "x")):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        (folder / "notes.txt").write_text(str(len(found)))
        found.append(digest(folder))
    assert len(set(found)) == 3
    assert {len(each) for each in found} == {40}


def test_what_is_no_program_does_not_count(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "a.py").write_text("x")
    (other / "notes.txt").write_text("x")
    assert digest(one) == digest(other)
