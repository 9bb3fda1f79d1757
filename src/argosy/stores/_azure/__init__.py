"""What speaking Azure Blob Storage takes; `azure` is the plugin."""
