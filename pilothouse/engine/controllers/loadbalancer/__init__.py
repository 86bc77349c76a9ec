"""Addresses for Services of type LoadBalancer, out of MetalLB's pools or, while there are none, those of the nodes."""
