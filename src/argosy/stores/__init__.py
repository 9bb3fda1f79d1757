"""Places where bytes are kept under keys, one per file."""
