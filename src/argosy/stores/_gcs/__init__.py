"""What speaking Google Cloud Storage takes; `gcs` is the plugin."""
