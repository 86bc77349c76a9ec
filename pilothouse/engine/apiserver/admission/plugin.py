"""What a part of admission does when it has nothing to say."""

from pilothouse.engine.apiserver.admission.chain import Attributes


class Passive:
    """Both steps do nothing; parts override the one they need."""

    def mutate(self, attributes: Attributes) -> None:
        """Nothing to fill in."""

    def validate(self, attributes: Attributes) -> None:
        """Nothing to refuse."""
