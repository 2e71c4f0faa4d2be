"""Where bytes are kept, named by their sha256."""
