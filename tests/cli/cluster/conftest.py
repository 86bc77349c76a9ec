import pytest

from pilothouse.cli.cluster import removal


@pytest.fixture(autouse=True)
def logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal sets the logs of its process up for good, which here runs other tests, too."""
    monkeypatch.setattr(removal, "configure", lambda level: None)
