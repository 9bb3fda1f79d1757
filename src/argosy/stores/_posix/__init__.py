"""What a store in a directory takes; `posix` is the plugin."""
