"""The `argosy` command, one file per noun."""
