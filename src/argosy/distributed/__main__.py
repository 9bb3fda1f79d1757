"""What the supervisor executes: `python -m argosy.distributed main|api-N DESCRIPTORS`."""

import sys
from importlib import import_module

from argosy.embedded.child import main

name, descriptors = sys.argv[1:]
sys.exit(main(name, descriptors, import_module(f"argosy.distributed.{name.partition('-')[0]}").run))
