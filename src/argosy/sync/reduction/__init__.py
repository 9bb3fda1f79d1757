"""From files with millions of rows to the few thousand objects that a planner must see.

`base` is the file that says what both sides agreed on, `reducing` picks what changed since and what a plan needs beside
it, `union` compares two trees that never agreed on anything. DuckDB holds the millions, in bounded memory; objects of
Python are made of what differs alone.
"""
