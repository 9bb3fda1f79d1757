"""Compiles the C of `argosy.linux` when Argosy is installed or built; where that fails, Argosy runs without.

The libraries are loaded by `ctypes`, so they need no headers of Python, only a C compiler and those of the C library.
"""

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = (Path("src/argosy/linux/tree.c"), Path("src/argosy/linux/reach.c"))
"""Each becomes a library beside it: `tree.c` is `libtree.so`."""
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared")


class CompileLibraries(BuildHookInterface[Any]):
    """The build hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - settled by hatchling
        """Have each library lie beside its source, if there is a compiler; an old one of another source goes."""
        if self.target_name != "wheel":
            return
        for source in (Path(self.root) / source for source in SOURCES):
            library = source.with_name(f"lib{source.stem}.so")
            library.unlink(missing_ok=True)
            if self._compiled(source, library):
                build_data["artifacts"].append(f"/{library.relative_to(self.root)}")
                build_data["pure_python"] = False
                build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def _compiled(self, source: Path, library: Path) -> bool:
        """Compile beside, then rename: whoever runs meanwhile has the old one or the new one, whole."""
        part = library.with_suffix(".part")
        command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS, "-o", str(part), str(source)]
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            self.app.display_warning(f"Argosy runs without its C library {library.name}, slowly: {error}")
            return False
        if made.returncode:
            self.app.display_warning(f"Argosy runs without its C library {library.name}, slowly: {made.stderr}")
            return False
        part.rename(library)
        return True
