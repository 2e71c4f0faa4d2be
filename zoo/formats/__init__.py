"""Reading checkpoint files: bytes in, Weights and a network description out. No torch."""
