"""No Service may name external IPs, where the cluster is told so: whoever may could take anybody's traffic by them (CVE-2020-8554).

Source: kubernetes plugin/pkg/admission/denyserviceexternalips.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object

_DENIED = "Use of external IPs is denied by admission control."


class ServiceExternalIPs:
    """Refuses those that a Service does not have already; they may be given up."""

    async def validate(self, write: Write) -> None:
        if write.group_resource != "services" or write.operation not in ("CREATE", "UPDATE") or write.subresource:
            return
        if _named(write.value) - _named(write.old):
            raise Forbidden.of("services", write.name, _DENIED)


def _named(service: Object | None) -> set[str]:
    return set(((service or {}).get("spec") or {}).get("externalIPs") or ())
