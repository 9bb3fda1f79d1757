"""Files and directories as they are here: the state of each, its copy, and what is at a path already."""
