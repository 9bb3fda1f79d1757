"""What the supervisor executes: `python -m argosy.embedded hub|agents DESCRIPTORS`."""

import sys

from argosy.embedded.child import main

sys.exit(main(sys.argv[1], sys.argv[2]))
