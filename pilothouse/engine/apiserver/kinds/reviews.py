"""Reviews: kinds that are answered and never stored. What they are answered with is not a kind's to know."""

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.model import kinds

_AUTHORIZATION, _AUTHENTICATION = "io.k8s.api.authorization.v1", "io.k8s.api.authentication.v1"

REVIEWS = (
    Kind(kinds.TOKENREVIEWS, f"{_AUTHENTICATION}.TokenReview", is_stored=False),
    Kind(kinds.SELFSUBJECTREVIEWS, f"{_AUTHENTICATION}.SelfSubjectReview", is_stored=False),
    Kind(kinds.SUBJECTACCESSREVIEWS, f"{_AUTHORIZATION}.SubjectAccessReview", is_stored=False),
    Kind(kinds.LOCALSUBJECTACCESSREVIEWS, f"{_AUTHORIZATION}.LocalSubjectAccessReview", is_stored=False),
    Kind(kinds.SELFSUBJECTACCESSREVIEWS, f"{_AUTHORIZATION}.SelfSubjectAccessReview", is_stored=False),
    Kind(kinds.SELFSUBJECTRULESREVIEWS, f"{_AUTHORIZATION}.SelfSubjectRulesReview", is_stored=False),
)
