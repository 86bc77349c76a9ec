"""The functions that Kubernetes adds to the language.

Values of types that the language does not have (quantities, addresses, URLs) are texts in a normal form, so that `==` compares them
as upstream does. Source: apiserver/pkg/cel/library.
"""

from pilothouse.model.cel.functions.addresses import ADDRESSES
from pilothouse.model.cel.functions.declare import merged
from pilothouse.model.cel.functions.lists import LISTS
from pilothouse.model.cel.functions.quantities import QUANTITIES
from pilothouse.model.cel.functions.regexes import REGEXES
from pilothouse.model.cel.functions.urls import URLS

KUBERNETES = merged((*LISTS, *REGEXES, *URLS, *QUANTITIES, *ADDRESSES))
