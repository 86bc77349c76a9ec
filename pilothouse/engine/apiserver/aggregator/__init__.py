"""Groups of the API for which other servers answer: who is asked, in whose name, whether it answers, and what it serves."""
