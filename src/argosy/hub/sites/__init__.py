"""Sites, datastores and the links between them."""
