"""What is refused where it is written, before a cluster is asked."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pilothouse.cli.main import ph


def deploy(tmp_path: Path, *options: str) -> tuple[int, str]:
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    done = CliRunner().invoke(ph, ["--home", str(tmp_path / "home"), "deploy", str(tmp_path), "--name", "shop", *options])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--name", "nu app"], "such as nu-app"),
        (["--memory", "128MB"], "128Mi"),
        (["--cpu", "abc"], "500m"),
        (["--health", "healthz"], "write /healthz"),
        (["--host", "http://x.example.org"], "such as x.example.org"),
        (["--image", "Not An Image"], "REPOSITORY:TAG"),
        (["--image", ""], "is none"),
        (["--port", "70000"], "from 1 to 65535"),
        (["--port", "web"], "`none`"),
        (["-e", "1A=x"], "no digit first"),
        (["--unset", "A-B"], "letters, digits and _"),
        (["-e", "A=1", "--secret", "A=2"], "as a variable and as a secret"),
        (["--force", "--image", "web:1"], "restart` replaces"),
        (["--env-file", "/no/such/file"], "No such file"),
    ],
)
def test_a_value_that_cannot_work_is_wrong_usage_and_says_what_would(tmp_path: Path, options: list[str], named: str) -> None:
    code, output = deploy(tmp_path, *options)
    assert code == 2
    assert named in " ".join(output.split())


@pytest.mark.parametrize(
    "options", [["--memory", ""], ["--health", ""], ["--no-health"], ["--host", ""], ["--port", "none"], ["--port", "auto"]]
)
def test_an_empty_value_takes_a_setting_off(tmp_path: Path, options: list[str]) -> None:
    code, output = deploy(tmp_path, *options)
    assert (code, "there is no cluster" in output) == (1, True)
