"""Argosy on one machine: a supervisor, the hub without privileges, the agents. The only room that knows both sides."""
