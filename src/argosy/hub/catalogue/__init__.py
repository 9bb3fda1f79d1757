"""What the facts add up to: so far, the objects that nobody needs any more."""
