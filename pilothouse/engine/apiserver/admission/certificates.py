"""Who may approve and sign requests for certificates, and what nobody may ask for.

The rights are the verbs `approve` and `sign` on `signers` of certificates.k8s.io, by the signer's name or, for all of a domain, `DOMAIN/*`.
Source: kubernetes plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}, pkg/auth/nodeidentifier.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.identity import MASTERS
from pilothouse.model.certificates import APISERVER_CLIENT, GROUP, conditions, request_of
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS
from pilothouse.wire import certificate_request

_REQUESTS = CERTIFICATESIGNINGREQUESTS.group_resource


class Certificates:
    """CertificateApproval, CertificateSigning and CertificateSubjectRestriction."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, write: Write) -> None:
        if write.group_resource != _REQUESTS:
            return
        if write.operation == "CREATE":
            _check_subject(write)
        elif write.operation == "UPDATE" and write.subresource == "approval":
            self._check(write, "approve")
        elif write.operation == "UPDATE" and write.subresource == "status" and _is_signing(write.new(), write.old or {}):
            self._check(write, "sign")

    def _check(self, write: Write, verb: str) -> None:
        """Raises Forbidden."""
        signer: str = ((write.old or {}).get("spec") or {}).get("signerName") or ""
        domain = signer.partition("/")[0]
        if not any(self._may(write, verb, name) for name in (signer, f"{domain}/*")):
            raise refused(write, f'user not permitted to {verb} requests with signerName "{signer}"')

    def _may(self, write: Write, verb: str, signer: str) -> bool:
        asked = Attributes(write.user, verb, group=GROUP, resource="signers", name=signer)
        allowed, _ = self._authorizer.decide(asked)
        if allowed:
            self._authorizer.uses.note(asked, allowed=True)
        return allowed


def refused(write: Write, why: str) -> Forbidden:
    return Forbidden.of(CERTIFICATESIGNINGREQUESTS.plural, write.name, why, GROUP)


def _is_signing(new: Object, old: Object) -> bool:
    return _certificate(new) != _certificate(old) or conditions(new) != conditions(old)


def _certificate(obj: Object) -> str:
    return (obj.get("status") or {}).get("certificate") or ""


def _check_subject(write: Write) -> None:
    """Raises Forbidden for a client certificate of those whom authorization never refuses."""
    spec = write.new().get("spec") or {}
    if spec.get("signerName") != APISERVER_CLIENT:
        return
    asked = certificate_request.parse(request_of(write.new()))
    if MASTERS in asked.organizations:
        raise refused(write, f"use of {APISERVER_CLIENT} signer with {MASTERS} group is not allowed")
