"""What an agent does for a sync beside steps: it scans filesets, and applies operations to them."""
