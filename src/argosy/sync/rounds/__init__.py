"""What is reckoned of one round of a sync, from files to files: the plan, what is left of it, the new base.

It is run in a process of its own (`python -m argosy.sync.rounds`), so that trees of any size end nobody else.
"""
