"""Endpoints objects of services, and what both kinds of endpoints know of pods."""
