"""What is done with single entries in a sync, at the site that has them. The hub alone orders it."""
