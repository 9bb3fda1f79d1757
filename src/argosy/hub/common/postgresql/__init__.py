"""PostgreSQL as the hub uses it: Django's, with transactions that take turns as those of SQLite do."""
