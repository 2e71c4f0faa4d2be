"""The frozen values that cross rooms."""
