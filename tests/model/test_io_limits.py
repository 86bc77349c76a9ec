"""What a VolumeAttributesClass of the local provisioner may state."""

import pytest

from pilothouse.model.io_limits import IoLimits, of_parameters


@pytest.mark.parametrize(
    ("parameters", "limits"),
    [
        ({"iops": "500", "throughput": "20Mi"}, IoLimits(500, 20 << 20)),
        ({"iops": "10"}, IoLimits(10, 0)),
        ({"throughput": "1500k"}, IoLimits(0, 1_500_000)),
    ],
)
def test_a_class_states_operations_and_bytes_a_second(parameters: dict[str, str], limits: IoLimits) -> None:
    assert of_parameters(parameters) == limits


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"iops": "9"}, "iops is '9'; it is a number of operations a second from 10 to 4294967295"),
        ({"iops": "1e3"}, "iops is '1e3'"),
        ({"iops": "5000000000"}, "iops is '5000000000'"),
        ({"throughput": "125"}, "throughput is '125'; it is an amount of bytes a second from 1Mi, such as 20Mi"),
        ({"throughput": "fast"}, "throughput is 'fast'"),
        ({"throughput": "-20Mi"}, "throughput is '-20Mi'"),
        ({"throughput": "10E"}, "throughput is '10E'"),
        ({"iops": "100", "type": "gp3"}, "there is no parameter 'type' for volumes of this provisioner; use iops and throughput"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_in_a_sentence(parameters: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}"):
        of_parameters(parameters)
