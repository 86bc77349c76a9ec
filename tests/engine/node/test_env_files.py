"""Variables that containers leave in files for others."""

import os
from pathlib import Path

import pytest

from pilothouse.engine.node.pod import environment as environment_module
from pilothouse.engine.node.pod.env_file import MOST_BYTES, EnvFileError, parse
from pilothouse.engine.node.pod.environment import ConfigMissing, Facts, environment
from pilothouse.engine.node.volumes.env_files import named_files, read_files
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec

TEXT = """# how the others are to be set
A='one'
  B='two words # no comment' # a comment
C='several
lines'

D= 'empty as a shell has it'
E=''
A='later'
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [("A", "one"), ("B", "two words # no comment"), ("C", "several\nlines"), ("D", ""), ("E", ""), ("F", None), ("lines", None)],
)
def test_values_stand_in_single_quotes(key: str, value: str | None) -> None:
    assert parse(TEXT).value_of(key) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A=plain", "line 1: the value must stand in single quotes"),
        ('A="double"', "line 1: the value must stand in single quotes"),
        ("\nA", "line 2: there is no ="),
        ("A ='x'", "line 1: a name without blanks must stand before the ="),
        ("='x'", "line 1: a name without blanks must stand before the ="),
        ("A='x' y", "line 1: nothing but a comment may follow the closing quote"),
        ("A='x\ny", "line 1: the single quote is not closed"),
        ("A='x\n' y", "line 2: nothing but a comment may follow the closing quote"),
    ],
)
def test_a_file_that_is_written_otherwise_is_refused_with_the_line(text: str, why: str) -> None:
    with pytest.raises(EnvFileError) as refused:
        parse(text).value_of("Z")
    assert str(refused.value) == why


def named(path: str = "vars", key: str = "A", **more: object) -> Object:
    return {"name": "X", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": path, "key": key, **more}}}


def test_a_variable_comes_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "vars").write_text(TEXT)
    wanted = spec(env=[named(), {"name": "Y", "value": "$(X)!"}])
    files = read_files(named_files(wanted), {"v": tmp_path})
    assert environment(pod(wanted), wanted, Facts(files=files)) == {"X": "one", "Y": "one!"}


@pytest.mark.parametrize("variable", [named("absent"), named(key="absent")])
def test_what_is_not_there_is_left_out_when_it_is_optional_and_else_waited_for(tmp_path: Path, variable: Object) -> None:
    (tmp_path / "vars").write_text(TEXT)
    wanted = spec(env=[variable])
    facts = Facts(files=read_files(named_files(wanted), {"v": tmp_path}))
    with pytest.raises(ConfigMissing, match=r'environment variable key "(A|absent)" not found in file "(absent|vars)" of volume "v"'):
        environment(pod(wanted), wanted, facts)
    variable["valueFrom"]["fileKeyRef"]["optional"] = True
    assert environment(pod(wanted), wanted, facts) == {}


def test_files_that_a_container_has_made_into_something_else_hold_up_nobody(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (tmp_path / "secret").write_text("A='of the node'")
    (volume / "out").symlink_to(tmp_path / "secret")
    (volume / "up").symlink_to("../secret")
    (volume / "loop").symlink_to("loop")
    (volume / "folder").mkdir()
    (volume / "large").write_bytes(b"#" * (MOST_BYTES + 1))
    os.mkfifo(volume / "pipe")
    for name, why in {
        "out": "leaves its volume",
        "up": "leaves its volume",
        "loop": "leaves its volume",
        "folder": "no regular file",
        "pipe": "no regular file",
        "large": "more than 64 KiB",
    }.items():
        with pytest.raises(ConfigMissing, match=why):
            read_files({("v", name)}, {"v": volume})


def test_a_volume_that_the_pod_has_not_is_said() -> None:
    with pytest.raises(ConfigMissing, match='cannot find the volume "v"'):
        read_files({("v", "x")}, {})


def test_a_name_before_the_line_that_is_written_otherwise_is_found() -> None:
    assert parse("A='1'\nB=2\nC='3'").value_of("A") == "1"


def test_a_file_is_parsed_once_however_many_variables_come_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    monkeypatch.setattr(environment_module, "parse", lambda text: parsed.append(text) or parse(text))
    wanted = spec(env=[named(key=key) | {"name": f"{key}{number}"} for number in range(10) for key in "AB"])
    found = environment(pod(wanted), wanted, Facts(files={("v", "vars"): TEXT}))
    assert len(found) == 20
    assert parsed == [TEXT]


def test_files_of_variables_are_read_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "vars").write_text(" " * MOST_BYTES)
    wanted = spec(env=[named("./" * number + "vars") for number in range(200)])
    with pytest.raises(ConfigMissing, match="hold more than 6 MiB together"):
        read_files(named_files(wanted), {"v": tmp_path})
