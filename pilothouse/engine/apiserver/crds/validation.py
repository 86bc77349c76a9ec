"""placeholder"""

from pilothouse.engine.apiserver.kinds import metadata
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object


def validate(crd: Object) -> list[Cause]:
    return metadata.validate(crd, metadata.subdomain_name)


def validate_update(crd: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(crd, old)
