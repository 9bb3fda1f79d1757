"""Out to a store: copy files, free what is copied, give an object another key."""
