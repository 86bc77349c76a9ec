"""What an expression may cost at most, estimated from the bounds of its schema, as upstream estimates it.

Definitions are refused by these figures, so that they have to be upstream's. Source: cel-go/checker/cost.go;
apiserver/pkg/cel/library/cost.go; apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go.
"""

from pilothouse.model.cel.cost.coster import estimated_cost
from pilothouse.model.cel.cost.ranges import MOST, multiplied
from pilothouse.model.cel.cost.sizes import most_occurrences

__all__ = ["MOST", "estimated_cost", "most_occurrences", "multiplied"]
