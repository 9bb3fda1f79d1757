"""Names within a site: moved, swapped, and removed to the trash; no store is asked."""
