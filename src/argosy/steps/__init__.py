"""Verbs with options, one per file; `dynamo.tasks.NAME` is the file NAME."""
