"""Networks as torch.fx graphs of standard modules, built from recipes."""
