import pytest

from pilothouse.platform.builds.inside.watch import Watch

TEXT = """\
ARG V=3
FROM python:$V AS one
RUN make
FROM python:$V
COPY --link a /
RUN make
"""
GIVEN = TEXT.replace("--link ", "")
LOG = """\
[1/2] STEP 1/2: FROM python:3 AS one
Trying to pull docker.io/library/python:3...
[1/2] STEP 2/2: RUN make
made
[2/2] STEP 1/3: FROM 0123456789abcdef
[2/2] STEP 2/3: COPY a /
--> Using cache 136ad79f92a3e35f6ee29c1172d718d4eb699c147c2649398b5bf75073921520
--> 136ad79f92a
[2/2] STEP 3/3: RUN make
subprocess exited with status 1
"""


def test_the_log_says_the_users_own_lines_and_what_was_cached(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(TEXT)
    watch.builds(GIVEN)
    for line in LOG.splitlines():
        watch.line(line)
    watch.end()
    said = [line for line in capsys.readouterr().out.splitlines() if not line.endswith(" s")]
    assert said == [
        "==> 1:1/2 line 2: FROM python:$V AS one",
        "==> 1:2/2 line 3: RUN make",
        "made",
        "==> 2:1/3 line 4: FROM python:$V",
        "==> 2:2/3 line 5: COPY --link a /",
        "<== 2:2/3 cached",
        "==> 2:3/3 line 6: RUN make",
    ]
    assert [(step.line, step.cached) for step in watch.steps] == [(2, False), (3, False), (4, False), (5, True), (6, False)]
    assert "136ad79f92a" in watch.images
    assert watch.tail() == LOG.rstrip("\n")


def test_an_argument_of_the_platforms_is_neither_shown_nor_counted(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch("FROM a\nRUN make\n")
    watch.builds("FROM a\nRUN make\n", frozenset({1}))
    for line in ["STEP 1/3: FROM a", 'STEP 2/3: ARG SSL_CERT_FILE="/run/x"', "--> 136ad79f92a", "STEP 3/3: RUN make"]:
        watch.line(line)
    watch.end()
    assert [step.name for step in watch.steps] == ["FROM a", "RUN make"]
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("==>")] == [
        "==> 1/2 line 1: FROM a",
        "==> 2/2 line 2: RUN make",
    ]
