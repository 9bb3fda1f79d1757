"""What speaking S3 takes; `s3` is the plugin."""
