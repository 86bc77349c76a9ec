import os
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.platform.builds.inside.settings import Settings
from pilothouse.platform.builds.inside.translate import Untranslatable, translated
from tests.cpu import takes_under


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings.of({"WORKSPACE": str(tmp_path)})
    for name in ("a.txt", "d/e/x.py", "d/y.md", "d/run.sh"):
        (found.source / name).parent.mkdir(parents=True, exist_ok=True)
        (found.source / name).write_text(name)
        (found.source / name).chmod(0o640)
    (found.source / "d/run.sh").chmod(0o750)
    (found.source / "d/link").symlink_to("y.md")
    return found


def lines(settings: Settings, text: str) -> list[str]:
    return translated(settings, text).text.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY --link a.txt /", "COPY a.txt /"),
        ("COPY --chown=1:1 --link=true --chmod=644 a.txt /", "COPY --chown=1:1 --chmod=644 a.txt /"),
        ("ADD --link=false a.txt /", "ADD a.txt /"),
        ("RUN --security=sandbox --mount=type=tmpfs,target=/x true", "RUN --mount=type=tmpfs,target=/x true"),
        ("COPY a --link /", "COPY a --link /"),
        ("RUN echo --link", "RUN echo --link"),
        ("COPY --chmod=u=rwx,go= <<E /x\nhi\nE", "COPY --chmod=0700 <<E /x\nhi\nE"),
        ("COPY \\\n  --link \\\n  a.txt /", "COPY \\\n  \\\n  a.txt /"),
        ("COPY --chmod=0644 --exclude=*.md --from=other /d /d", "COPY --chmod=0644 --exclude=*.md --from=other /d /d"),
    ],
)
def test_what_the_builder_does_not_know_is_said_in_older_words(settings: Settings, line: str, expected: str) -> None:
    assert translated(settings, f"FROM a\n{line}\nUSER x\n").text == f"FROM a\n{expected}\nUSER x\n"


def laid_out(settings: Settings, line: str) -> dict[str, int]:
    """path -> mode of what a COPY takes, links included."""
    (folder,) = translated(settings, f"FROM a\n{line}\n").contexts.values()
    return {path.relative_to(folder).as_posix(): path.lstat().st_mode & 0o777 for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY --chmod=a+r,g-x d/run.sh a.txt /x/", {"1/run.sh": 0o744, "2/a.txt": 0o644}),
        ("COPY --chmod=u=rwX,go=rX d /x", {"1/run.sh": 0o755, "1/y.md": 0o644, "1/e/x.py": 0o644, "1/link": 0o777}),
        ("COPY --parents d/e/x.py d/*.md /x/", {"parents/d/e/x.py": 0o640, "parents/d/y.md": 0o640}),
        ("COPY --parents ./d/./e/x.py /x/", {"parents/e/x.py": 0o640}),
        ("COPY --parents **/*.py /x/", {"parents/d/e/x.py": 0o640}),
        ("COPY --exclude=*.md --exclude=e --exclude=link d /x/", {"1/run.sh": 0o750}),
        ('ADD --exclude=*.md ["d/run.sh", "d/y.md", "/x/"]', {"1/run.sh": 0o750}),
    ],
)
def test_files_are_laid_out_as_they_are_to_be_copied(settings: Settings, line: str, expected: dict[str, int]) -> None:
    assert laid_out(settings, line) == expected


def test_the_instruction_takes_the_files_from_there_and_stays_on_its_line(settings: Settings) -> None:
    found = lines(settings, "FROM a\nARG M=u+x\nCOPY --chown=1:1 \\\n --chmod=$M a.txt /x\nRUN y\n")
    assert found == ["FROM a", "ARG M=u+x", 'COPY --from=copy-3 --chown=1:1 ["1/a.txt", "/x"]', "", "RUN y"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("COPY --parents nope/x /", "Dockerfile line 2: COPY --parents nope/x /: the source has no nope/x"),
        ("COPY --parents ../x /", "../x leads out of the source"),
        ("COPY --from=o --parents /x /", "write the paths out"),
        ("ADD --chmod=u+x https://x/y /", "write the mode like 0644"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_line(settings: Settings, line: str, said: str) -> None:
    with pytest.raises(Untranslatable, match=r"^Dockerfile line 2: ") as caught:
        translated(settings, f"FROM a\n{line}\n")
    assert said in str(caught.value)


def test_links_that_lead_out_of_the_source_are_not_followed(settings: Settings) -> None:
    os.symlink("/etc", settings.source / "out")
    nested = replace(settings, context=settings.source)
    with pytest.raises(Untranslatable, match="leads out of the source"):
        translated(nested, "FROM a\nCOPY --parents out/passwd /\n")


def test_flags_full_of_dashes_are_read_in_no_time(settings: Settings) -> None:
    line = f"COPY --chown={'--a' * 4000} \\\n --x=--y \\\n a.txt /"
    with takes_under(2):
        assert lines(settings, line) == line.split("\n")
