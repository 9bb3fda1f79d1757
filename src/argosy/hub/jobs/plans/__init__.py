"""Plans: jobs that only say what their steps would do, and may be applied as they are."""
