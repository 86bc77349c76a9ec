"""Subresources that are more than a view of an object's status: scale, bind, evict, finalize, tokens, and what runs on a node."""
