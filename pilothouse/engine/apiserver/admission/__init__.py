"""Admission: what is filled in or refused because of other objects, after decoding and before validation."""
