"""Further nodes of an instance on its own machine, each in a network and a mount namespace of its own (`ph up --nodes`)."""
