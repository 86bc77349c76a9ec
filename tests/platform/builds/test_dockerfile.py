import pytest

from pilothouse.platform.builds.dockerfile import NoStage, base_images, exposed_port, instructions, line_of, own_ports_first, up_to_stage

SHOP = """\
# syntax=docker/dockerfile:1
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build

RUN apt-get update && \\
    # a comment between the lines
    apt-get install -y \\

    gcc
from node:18 as assets
RUN npm ci

FROM build
COPY --chown=app --from=assets /dist /dist
COPY --from=busybox:1 /bin/busybox /bin/
RUN --mount=type=bind,from=alpine:3,target=/x cp /x/y .
EXPOSE 3000/tcp 4000
CMD ["python", "app.py"]
"""


def test_continued_lines_are_one_instruction_on_its_first_line() -> None:
    found = {step.line: (step.word, step.rest) for step in instructions(SHOP)}
    assert found[5] == ("RUN", "apt-get update && apt-get install -y gcc")
    assert found[10] == ("FROM", "node:18 as assets")
    assert len(found) == 11


@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        (SHOP, {}, ["python:3.11-slim", "node:18", "busybox:1", "alpine:3"]),
        (SHOP, {"PYTHON": "3"}, ["python:3-slim", "node:18", "busybox:1", "alpine:3"]),
        ("FROM scratch\nCOPY --from=0 /a /b", {}, []),
        ("FROM --platform=linux/amd64 debian:12", {}, ["debian:12"]),
        ("ARG BASE\nFROM ${BASE:-debian:12}", {}, ["debian:12"]),
        ("ARG BASE=debian\nFROM $BASE:12\nFROM $BASE:12", {}, ["debian:12"]),
        ("ARG TOOLS=tools:1\nFROM scratch\nCOPY --from=${TOOLS} /a /b", {}, ["tools:1"]),
        ("FROM a AS One\nFROM one", {}, ["a"]),
        ("ARG PY=3\nARG BASE=python:${PY}-slim\nFROM ${BASE}", {}, ["python:3-slim"]),
        ("ARG PY=3 VARIANT=slim\nFROM python:${PY}-${VARIANT}", {"PY": "3.11"}, ["python:3.11-slim"]),
        ("ARG SLIM=yes\nFROM python:3${SLIM:+-slim}", {}, ["python:3-slim"]),
        ('ARG BASE="debian:12"\nFROM "$BASE"', {}, ["debian:12"]),
        ("FROM --platform=$BUILDPLATFORM a AS b\nFROM c\nCOPY --from=b /x /y", {}, ["a", "c"]),
        ("FROM a AS b\nFROM never AS d\nFROM b", {}, ["a"]),
        ("FROM a\nRUN <<E\nFROM no\nE\nFROM b", {}, ["b"]),
        (f"{'# long' * 1000}\nFROM a\n", {}, ["a"]),
        ("\ufeffFROM a\n", {}, ["a"]),
        ("", {}, []),
    ],
)
def test_base_images_are_those_that_no_stage_of_the_file_makes(text: str, args: dict[str, str], expected: list[str]) -> None:
    assert base_images(text, args) == expected


HEREDOCS = """\
RUN <<-A cat <<"B" > /x
\tone
\tA
two
B
COPY <<E /y
# no comment
FROM nothing
E
RUN echo "1 << 2" <<<word
COPY ["<<A", "/"]
CMD x
"""


def test_heredocs_belong_to_their_instruction() -> None:
    found = [(step.line, step.last, step.word, step.heredocs) for step in instructions(HEREDOCS)]
    assert found == [
        (1, 5, "RUN", ("one\n", "two\n")),
        (6, 9, "COPY", ("# no comment\nFROM nothing\n",)),
        (10, 10, "RUN", ()),
        (11, 11, "COPY", ()),
        (12, 12, "CMD", ()),
    ]


def test_flags_are_told_from_arguments() -> None:
    (step,) = instructions("COPY --from=a \\\n  --chmod=u+x  x --no-flag /y")
    assert (step.flags(), step.arguments()) == (["--from=a", "--chmod=u+x"], "x --no-flag /y")


def test_another_escape_character_is_honoured() -> None:
    assert [step.rest for step in instructions("# escape=`\nRUN a `\n b\nRUN C:\\\nRUN d")] == ["a b", "C:\\", "d"]


@pytest.mark.parametrize(("text", "port"), [(SHOP, 3000), ("FROM a\nEXPOSE $PORT", None), ("FROM a", None), ("EXPOSE 8000", 8000)])
def test_the_port_is_the_first_that_is_exposed(text: str, port: int | None) -> None:
    assert exposed_port(text) == port


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("", "FROM a AS b\nRUN <<E\nFROM x\nE\nFROM c\n"),
        ("B", "FROM a AS b\nRUN <<E\nFROM x\nE\n"),
        ("1", "FROM a AS b\nRUN <<E\nFROM x\nE\nFROM c\n"),
    ],
)
def test_a_dockerfile_may_end_at_a_stage_by_name_or_number(target: str, expected: str) -> None:
    assert up_to_stage("FROM a AS b\nRUN <<E\nFROM x\nE\nFROM c\n", target) == expected


def test_a_stage_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(NoStage, match="has no stage dev; its stages are: none that has a name"):
        up_to_stage("FROM a\n", "dev")


def test_an_instruction_is_found_as_buildah_prints_it() -> None:
    assert line_of(SHOP, "RUN apt-get update &&     apt-get install -y     gcc") == 5
    assert line_of(SHOP, 'CMD ["python", "app.py"]') == 18
    assert line_of(SHOP, "RUN something else") is None
    assert line_of(HEREDOCS, "COPY <<E /y (# no comment) (FROM nothing)") == 6
    assert line_of("FROM a\nRUN x\nUSER y\nRUN x", "RUN x", after=2) == 4


def test_the_ports_that_a_dockerfile_names_go_before_those_of_its_base() -> None:
    assert own_ports_first("FROM nginx\nEXPOSE 8080/tcp 8443\n", [80, 8080, 8443]) == (8080, 8443, 80)
    assert own_ports_first("FROM a AS b\nEXPOSE 9000\nFROM nginx\n", [80, 9000]) == (80, 9000)
    assert own_ports_first("FROM nginx\nEXPOSE $PORT\n", [9000, 80]) == (80, 9000)
