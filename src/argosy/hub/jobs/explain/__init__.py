"""Why a job waits, what of it failed and why, and what became of a path: in words, from what is recorded."""
