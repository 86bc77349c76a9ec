"""Every stored built-in kind under its group resource (`pods`, `deployments.apps`)."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.model.kinds import BUILT_IN as RESOURCES
BUILT_IN: Mapping[str, Kind] = {r.group_resource: Kind(r, "") for r in RESOURCES if "get" in r.verbs}
