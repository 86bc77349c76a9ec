"""What of a pod this platform carries out: every field has a state, and what is not carried out is refused or said.

`table` holds the states, `judge` holds a pod's spec against them. The reference page of pods is made from the table.
"""
