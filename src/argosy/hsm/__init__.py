"""The stub engine: what the steps that move bytes share. Every order of writes follows docs/design.md."""
