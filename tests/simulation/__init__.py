"""A whole cluster in virtual time: the real API server, controllers, scheduler and pod workers over a store in memory and a runtime
that plays its containers. An hour of it takes about a second, so a loop that never rests is seen by counting its rounds.
"""
