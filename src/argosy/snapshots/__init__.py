"""What a fileset looked like: index files, the scan that fills them, and what differs between two of them."""
