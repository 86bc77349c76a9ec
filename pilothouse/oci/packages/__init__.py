"""Images made from a distribution's packages, which come from the machine's own sources. Recipes are data of the capabilities."""
