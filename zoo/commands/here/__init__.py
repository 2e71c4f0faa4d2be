"""The zoo of this machine: every verb that can be asked of one, by the operations."""

from zoo.commands.here.accounts import Accounts
from zoo.commands.here.datasets import Datasets
from zoo.commands.here.enqueueing import Enqueueing
from zoo.commands.here.jobs import Jobs
from zoo.commands.here.looking import Looking
from zoo.commands.here.measuring import Measuring
from zoo.commands.here.models import Models


class Here(Models, Looking, Accounts, Jobs, Enqueueing, Datasets, Measuring):
    """The keeper of ``zoo.operations.verbs.Verbs`` over an open zoo."""

    __slots__ = ()
