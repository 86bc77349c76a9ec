from tests.simulation.conftest import logs, play, state

__all__ = ["logs", "play", "state"]
