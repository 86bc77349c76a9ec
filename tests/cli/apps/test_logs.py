import pytest

from pilothouse.cli.apps.logs import has_ended_before
from pilothouse.model.json import Object


@pytest.mark.parametrize(("last", "expected"), [({}, False), ({"terminated": {"exitCode": 1}}, True)])
def test_only_a_container_that_was_started_again_has_an_earlier_log(last: Object, expected: bool) -> None:
    pod = {"status": {"containerStatuses": [{"name": "app", "lastState": last}]}}
    assert has_ended_before(pod) is expected
