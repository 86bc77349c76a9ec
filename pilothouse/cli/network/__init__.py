"""`ph network`: how nodes reach each other's pods."""
