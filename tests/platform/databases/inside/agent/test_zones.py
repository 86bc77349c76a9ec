"""What is taken of a server's program that reads time zones."""

from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent.seed import zones

SAYS = """\
set @wsrep_is_on=(select 1);
TRUNCATE TABLE time_zone;
INSERT INTO time_zone (Use_leap_seconds) VALUES ('N');
SET @time_zone_id= LAST_INSERT_ID();
INSERT INTO time_zone_name (Name, Time_zone_id) VALUES ('Europe/Berlin', @time_zone_id);
INSERT INTO time_zone_transition_type (Time_zone_id) VALUES
 (@time_zone_id)
;
INSERT INTO time_zone (Use_leap_seconds) VALUES ('N');
SET @time_zone_id= LAST_INSERT_ID();
INSERT INTO time_zone_name (Name, Time_zone_id) VALUES ('posix/Europe/Berlin', @time_zone_id);
"""
KEPT = [
    "INSERT INTO time_zone (Use_leap_seconds) VALUES ('N')",
    "SET @time_zone_id= LAST_INSERT_ID()",
    "INSERT INTO time_zone_name (Name, Time_zone_id) VALUES ('Europe/Berlin', @time_zone_id)",
    "INSERT INTO time_zone_transition_type (Time_zone_id) VALUES (@time_zone_id)",
]


def test_zones_are_taken_once_each_statement_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tzinfo"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{SAYS}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert zones.statements("tzinfo") == KEPT


def test_an_image_without_such_a_program_has_no_names() -> None:
    assert zones.statements("no-such-program") == []
