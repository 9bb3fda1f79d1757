"""What stores that are servers have in common, whatever they speak."""
