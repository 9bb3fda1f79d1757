"""What is done on one side of a sync: the operations of a plan, by compare-and-swap, so that no crash loses anything.

It knows trees, and neither hub nor stores: contents and attributes were staged beforehand, beside the tree.
"""
