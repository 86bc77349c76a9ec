"""How the control plane's questions reach the drivers of a node, over the node's own server: the words of both sides.

    POST /csi/DRIVER/METHOD?timeoutSeconds=N     the request in protobuf; 200 and the driver's answer, or 502 and {"code", "why"}

Only the controller's part and the driver's own description can be asked for: what is done on the node is the node agent's.
"""

from collections.abc import Mapping
from typing import Any

from pilothouse.engine.csi import methods
from pilothouse.engine.csi.methods import CONTROLLER, IDENTITY, Method

WORD = "csi"
PROTOBUF = "application/vnd.google.protobuf"
SECONDS = "timeoutSeconds"
FAILED = 502
ASKABLE: Mapping[str, Method[Any, Any]] = {
    each.name: each for each in vars(methods).values() if isinstance(each, Method) and each.service in (CONTROLLER, IDENTITY)
}
"""By the name of the method."""
