"""What a sync of two trees of this machine would do: both are scanned, compared and planned, and nothing is changed."""
