"""What auditing needs, whatever is asked: the policy that is in force, and the log."""

from dataclasses import dataclass, field

from pilothouse.engine.apiserver.audit.log import AuditLog
from pilothouse.engine.apiserver.audit.policy_source import PolicySource
from pilothouse.engine.apiserver.audit.strangers import Share


@dataclass(frozen=True, slots=True)
class Auditor:
    """is_strict: a request that is to be recorded is carried out only once its arrival is on disk, and answered once its outcome is."""

    policy: PolicySource
    log: AuditLog
    is_strict: bool = False
    strangers: Share = field(default_factory=Share)
