"""The work at one pod: its task, the plan of its next steps, and each of them."""
