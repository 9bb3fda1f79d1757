"""Ways of finding entries, one per file."""
