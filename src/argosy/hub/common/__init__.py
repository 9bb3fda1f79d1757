"""What every app of the hub uses: problem documents, pages, keys, users and their tokens."""
