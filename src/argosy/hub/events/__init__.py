"""Live events: what changes at the hub, told to those who listen."""
