"""What this platform carries out of the objects that it takes: every field has a state, and what is not carried out is refused or said.

`pods`, `services` and `endpointslices` hold the states of their fields, `judge` holds an object against them. Their reference pages are
made from the tables.
"""
