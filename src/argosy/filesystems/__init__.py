"""Trees people work in, one kind per file."""
