"""REST client for the hub. No Django."""
