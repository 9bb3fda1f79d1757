"""Settings, addresses and start of the hub."""
