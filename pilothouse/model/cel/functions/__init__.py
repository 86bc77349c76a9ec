"""The functions that Kubernetes adds to the language. Source: apiserver/pkg/cel/library."""

from pilothouse.model.cel.functions.addresses import ADDRESSES
from pilothouse.model.cel.functions.authorization import AUTHORIZATION
from pilothouse.model.cel.functions.declare import T, declaration, for_checking, for_evaluating, taking_anything
from pilothouse.model.cel.functions.formats import NAMED_FORMATS
from pilothouse.model.cel.functions.lists import LISTS
from pilothouse.model.cel.functions.maps import INSERT, MAPS
from pilothouse.model.cel.functions.quantities import QUANTITIES
from pilothouse.model.cel.functions.regexes import REGEXES
from pilothouse.model.cel.functions.urls import URLS
from pilothouse.model.cel.functions.versions import VERSIONS

_ALL = (*LISTS, *REGEXES, *URLS, *QUANTITIES, *ADDRESSES, *NAMED_FORMATS, *VERSIONS, *AUTHORIZATION)
_OPTIONALS = T.List(T.DYN)
_BUILT_IN = [
    declaration("optional.unwrap", "optional_unwrap", is_member=False, takes=_OPTIONALS, returns=_OPTIONALS),
    declaration("unwrapOpt", "optional_unwrapOpt", is_member=True, takes=_OPTIONALS, returns=_OPTIONALS),
]
"""The implementation carries these out and does not declare them."""
CHECKED = for_checking(_ALL) + _BUILT_IN
COMPILED = for_evaluating(_ALL) + _BUILT_IN
EVALUATED = for_evaluating((*_ALL, *MAPS))
TAKING_ANYTHING = taking_anything(_ALL) | {INSERT}
