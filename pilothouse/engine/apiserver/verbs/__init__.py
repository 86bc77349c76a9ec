"""The verbs, one module each: an authorized request in, an answer out."""
