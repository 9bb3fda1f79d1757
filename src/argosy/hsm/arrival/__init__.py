"""In from a store: entries made of objects where there were none, and attributes for those that are there."""
