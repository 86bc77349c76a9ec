"""`ph lb`: load balancers, their addresses and pools."""
