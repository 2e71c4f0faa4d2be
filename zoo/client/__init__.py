"""A zoo on another machine, over REST."""
