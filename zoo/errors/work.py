"""Work that was begun and came to no good end."""

from zoo.errors.tree import ZooError


class OutOfMemory(ZooError):
    """The device has no memory for this."""

    hint = "Take a smaller network, or a machine with more memory."


class RankLost(ZooError):
    """One of the processes that train together ended."""

    hint = "The log of the job says why; often memory ran out. Take fewer: --devices"


class TrainingDiverged(ZooError):
    """The numbers of a training ceased to be numbers."""

    hint = "Lower the rates: --lr and --head-lr"


class GateMissed(ZooError):
    """With fewer bits the model would be worse than was allowed."""

    hint = "Allow more, in points of accuracy: --gate POINTS. Or serve the model as it is."


class JobFailed(ZooError):
    """The job did not succeed."""

    hint = "See: zoo jobs show NUMBER"


class EarlierJobFailed(JobFailed):
    """A job that this one comes after did not succeed."""

    hint = "Run that job again, then this one: zoo jobs rerun NUMBER"


class Interrupted(ZooError):
    """Interrupted; what was done so far is kept."""

    hint = "Run the same command again to go on."
