"""A self-hosted model zoo for vision networks."""

from importlib.metadata import version

__version__ = version("zoo")
