"""What all layers of our own have in common."""

from torch import nn


class Layer(nn.Module):
    """A module that shows the numbers it was made of: its public attributes."""

    def extra_repr(self) -> str:
        """Show the numbers it was made of."""
        shown = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        return ", ".join(f"{key}={value}" for key, value in shown.items() if key != "training")
