"""A zoo on another machine: every verb that can be asked of one, over REST."""

from zoo.client.accounts import Accounts
from zoo.client.datasets import Datasets
from zoo.client.imports import Imports
from zoo.client.looking import Looking
from zoo.client.measuring import Measuring
from zoo.client.models import Models
from zoo.client.pictures import Pictures


class There(Models, Looking, Accounts, Measuring, Imports, Datasets, Pictures):
    """The keeper of ``zoo.operations.verbs.Verbs`` over REST."""

    __slots__ = ()
