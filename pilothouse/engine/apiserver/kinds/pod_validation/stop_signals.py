"""The signal that ends a container. Source: pkg/apis/core/validation (validateStopSignal)."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause

_NAMES = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG "
    "USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
LINUX = tuple(
    sorted(
        [f"SIG{name}" for name in _NAMES.split()]
        + [f"SIGRTMIN+{number}" for number in range(1, 16)]
        + [f"SIGRTMAX-{number}" for number in range(1, 15)]
    )
)
WINDOWS = ("SIGKILL", "SIGTERM")


def validate_stop_signal(signal: str, os_name: str, path: str) -> list[Cause]:
    """os_name: that the pod states; "" when it states none."""
    if not os_name:
        return [field.forbidden(path, "may not be set for containers with empty `spec.os.name`")]
    supported = WINDOWS if os_name == "windows" else LINUX
    return [] if signal in supported else [field.not_supported(path, signal, supported)]
