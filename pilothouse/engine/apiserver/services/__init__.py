"""Addresses and ports that Services are given: chosen here, remembered nowhere but in the Services themselves."""
