"""The stub engine: what the steps that move bytes share. Every order of writes follows docs/design.md.

    arrival                 entries made of what a store holds, attributes for those that are there
    back  |  out  |  tree   stubs filled  |  files copied, and freed  |  names moved, removed, kept
    repair                  what was left half done, or written into a stub; copies of stubs; bad copies
    file                    the state of a file, its copy, and what is at a path already
    object                  which object is meant, its bytes, what is believed of it, how it comes to be

A room knows those below it; rooms on one line do not know each other.
"""
