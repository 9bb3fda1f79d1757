"""Back into stubs: the bytes of their objects, checked before anybody may read them."""
