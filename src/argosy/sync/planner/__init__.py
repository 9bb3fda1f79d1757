"""Three trees in, operations out: what must be done so that two sides agree. Pure: nothing here looks at a disk.

`trees` is what it is told, `options` how it is wanted, `plans` what it answers; `planning.plan` does it.
"""
