"""How nodes tell each other, in the API, which endpoints that leave their proxies still route to."""

from pilothouse.network.withdrawal.component import Withdrawal

__all__ = ["Withdrawal"]
