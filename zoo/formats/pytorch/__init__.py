"""PyTorch's checkpoints to Weights. Nothing in them is executed, and no class is ever looked up."""
