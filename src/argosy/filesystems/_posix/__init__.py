"""What a tree on any Linux filesystem is made of; `posix` is the plugin."""
