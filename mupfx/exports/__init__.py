"""What a converted model leaves behind on disk."""
