"""Who is primary, and what each member is told (pure).

Everything is decided anew from what the members say and from the instance's status, which is the only memory. A step that changes
who may write is written there first and carried out afterwards, so whoever is killed in between is continued by the next one.
"""
