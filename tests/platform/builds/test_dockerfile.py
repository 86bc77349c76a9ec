import pytest

from pilothouse.platform.builds.dockerfile import base_images, exposed_port, instructions, line_of

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
        ("", {}, []),
    ],
)
def test_base_images_are_those_that_no_stage_of_the_file_makes(text: str, args: dict[str, str], expected: list[str]) -> None:
    assert base_images(text, args) == expected


def test_another_escape_character_is_honoured() -> None:
    assert [step.rest for step in instructions("# escape=`\nRUN a `\n b\nRUN C:\\\nRUN d")] == ["a b", "C:\\", "d"]


@pytest.mark.parametrize(("text", "port"), [(SHOP, 3000), ("FROM a\nEXPOSE $PORT", None), ("FROM a", None), ("EXPOSE 8000", 8000)])
def test_the_port_is_the_first_that_is_exposed(text: str, port: int | None) -> None:
    assert exposed_port(text) == port


def test_an_instruction_is_found_as_buildah_prints_it() -> None:
    assert line_of(SHOP, "RUN apt-get update &&     apt-get install -y     gcc") == 5
    assert line_of(SHOP, 'CMD ["python", "app.py"]') == 18
    assert line_of(SHOP, "RUN something else") is None
