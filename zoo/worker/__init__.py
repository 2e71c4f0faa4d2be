"""The processes that have torch, and the loop that starts them."""
