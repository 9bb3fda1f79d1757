"""A contract for import-linter: which packages of others a room may import."""

import sys

import grimp
from importlinter import Contract, ContractCheck, fields, output


class ExternalsContract(Contract):
    """Modules below `source_modules` import no package of others but the `allowed` ones and the standard library."""

    type_name = "externals"

    source_modules = fields.SetField(subfield=fields.ModuleField())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001  (the caller's signature)
        """Keep the contract where no module of the rooms has a foreign import."""
        allowed = set(self.allowed) | set(sys.stdlib_module_names)  # type: ignore[call-overload]
        found = [
            f"{module} imports {other}"
            for module in self._members(graph)
            for other in sorted(graph.find_modules_directly_imported_by(module))
            if graph.is_module_squashed(other) and other.partition(".")[0] not in allowed
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each foreign import."""
        for line in check.metadata["found"]:
            output.print_error(line)

    def _members(self, graph: grimp.ImportGraph) -> list[str]:
        rooms = [module.name for module in self.source_modules]  # type: ignore[attr-defined]
        return sorted(name for room in rooms for name in {room, *graph.find_descendants(room)})
