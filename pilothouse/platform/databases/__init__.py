"""Databases as a service.

`pattern` is what every backing service needs, `mysql` what is MySQL's own, `agent` the program beside each server.
"""
