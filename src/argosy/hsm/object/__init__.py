"""Objects: which one a path or a pointer means, its bytes, what is believed of it, and how one comes to be."""
