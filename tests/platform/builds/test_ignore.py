from pathlib import Path

import pytest

from pilothouse.platform.builds.ignore import Ignore
from pilothouse.platform.builds.inside.prepare import leave_out


@pytest.mark.parametrize(
    ("text", "left_out", "kept"),
    [
        ("*.md", ["README.md"], ["docs/README.md", "README.txt"]),
        ("**/*.md", ["README.md", "docs/a/b.md"], ["README.txt"]),
        ("*/temp*", ["a/temp", "a/temporary.txt", "a/temp/x"], ["temp", "a/b/temp"]),
        ("*/*/temp*", ["a/b/temp"], ["a/temp"]),
        ("temp?", ["tempa", "tempb"], ["temp", "tempab", "a/tempa"]),
        ("docs", ["docs", "docs/a", "docs/a/b"], ["mydocs", "a/docs"]),
        ("docs/", ["docs/a"], ["mydocs"]),
        ("/docs", ["docs/a"], ["a/docs"]),
        ("./docs", ["docs/a"], []),
        ("docs/**", ["docs/a", "docs/a/b"], ["docs"]),
        ("**/node_modules", ["node_modules/x", "a/b/node_modules/x"], ["node_modules2"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/b/zz"]),
        ("*.[ch]", ["x.c", "x.h"], ["x.cc", "x.o"]),
        ("v[^0-9]", ["va"], ["v1"]),
        (r"a\*b", ["a*b"], ["axb"]),
        ("# comment\n\n  *.log  ", ["x.log"], ["# comment"]),
        ("*.md\n!README.md", ["x.md"], ["README.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["x.md", "README-secret.md"], ["README.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", ["x.md"], ["README-secret.md"]),
        ("docs\n!docs/keep.txt", ["docs/a"], ["docs/keep.txt"]),
        ("**\n!src", ["a", "b/c"], ["src", "src/app.py"]),
        ("a.b", ["a.b"], ["axb"]),
        ("**\n!**/*.go\n!go.mod", ["x.md", "cmd/x.md", "cmd"], ["go.mod", "cmd/main.go", "main.go", "a/b/c.go"]),
        ("\ufeff*.md\n*.log", ["x.md", "x.log"], ["x"]),
        ("docs/../src", ["src/x"], ["docs/x"]),
        ("! a\n", [], ["a"]),
    ],
)
def test_a_dockerignore_means_what_it_means_to_docker(text: str, left_out: list[str], kept: list[str]) -> None:
    rules = Ignore(text)
    assert [path for path in left_out if not rules.leaves_out(path)] == []
    assert [path for path in kept if rules.leaves_out(path)] == []


def test_the_builder_removes_what_the_rules_leave_out_and_nothing_that_comes_back(tmp_path: Path) -> None:
    for name in ("Dockerfile", "app.py", "cmd/main.go", "cmd/notes/x.md", "docs/x.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("app.py")
    (tmp_path / ".dockerignore").write_text("**\n!**/*.go\n")
    leave_out(tmp_path, "Dockerfile")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["cmd", "cmd/main.go"]
