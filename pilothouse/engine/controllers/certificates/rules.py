"""What each of the cluster's signers signs: subjects, alternative names and usages. Pure.

Source: kubernetes pkg/apis/certificates/helpers.go, pkg/controller/certificates/signer.
"""

from collections.abc import Callable, Mapping, Sequence

from pilothouse.model.certificates import APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from pilothouse.wire.certificate_request import CertificateRequest

NODES, NODE_PREFIX = "system:nodes", "system:node:"
LONGEST_S, SHORTEST_S = 365 * 86400, 600
_CLIENT, _SERVER, _SIGNATURE, _ENCIPHERMENT = "client auth", "server auth", "digital signature", "key encipherment"

WhyNot = Callable[[CertificateRequest, Sequence[str]], str]
"""Why a signer does not sign a request for these usages, "" when it does."""


def lifetime_s(asked_s: int | None) -> int:
    """Of a certificate: what is asked for within bounds, a year when nothing is."""
    return LONGEST_S if asked_s is None else max(SHORTEST_S, min(LONGEST_S, asked_s))


def _not_client(asked: CertificateRequest, usages: Sequence[str]) -> str:
    if not asked.common_name:
        return "the subject must have one common name, the user's"
    for usage in usages:
        if usage not in (_CLIENT, _SIGNATURE, _ENCIPHERMENT):
            return f"invalid usage for client certificate: {usage}"
    return "" if _CLIENT in usages else f"missing required usage for client certificate: {_CLIENT}"


def why_not_node_client(asked: CertificateRequest, usages: Sequence[str]) -> str:
    if asked.organizations != (NODES,):
        return f"subject organization is not {NODES}"
    kinds = {"DNS": asked.dns_names, "Email": asked.emails, "IP": asked.addresses, "URI": asked.uris}
    if found := next((kind for kind, names in kinds.items() if names), ""):
        return f"{found} subjectAltNames are not allowed"
    return _why_no_node(asked) or _why_not_usages(usages, _CLIENT)


def _not_node_serving(asked: CertificateRequest, usages: Sequence[str]) -> str:
    if asked.organizations != (NODES,):
        return f"subject organization is not {NODES}"
    if not asked.dns_names and not asked.addresses:
        return "at least one DNS or IP subjectAltName is required"
    if asked.emails or asked.uris:
        return f"{'Email' if asked.emails else 'URI'} subjectAltNames are not allowed"
    return _why_not_usages(usages, _SERVER) or _why_no_node(asked)


def _why_no_node(asked: CertificateRequest) -> str:
    """Of several common names none counts: the API server might take another one than was looked at."""
    is_node = asked.common_name.startswith(NODE_PREFIX) and asked.common_name != NODE_PREFIX
    return "" if is_node else f"subject common name does not begin with {NODE_PREFIX}"


def _why_not_usages(usages: Sequence[str], purpose: str) -> str:
    """Keys that do not encipher, such as those of ECDSA, go without that usage."""
    allowed = [_ENCIPHERMENT, _SIGNATURE, purpose]
    return "" if set(usages) in ({*allowed}, {_SIGNATURE, purpose}) else f"usages did not match {sorted(allowed)}"


SIGNERS: Mapping[str, WhyNot] = {
    APISERVER_CLIENT: _not_client,
    KUBELET_CLIENT: why_not_node_client,
    KUBELET_SERVING: _not_node_serving,
}
