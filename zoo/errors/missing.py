"""What is asked for and is not there."""

from zoo.errors.tree import ZooError


class NotFound(ZooError):
    """There is nothing of that name."""


class ModelNotFound(NotFound):
    """There is no model of that name."""

    hint = "See: zoo list"


class RevisionNotFound(NotFound):
    """The model has no such revision, tag or alias."""

    hint = "See: zoo show MODEL"


class FileNotFound(NotFound):
    """The revision has no such file."""

    hint = "See: zoo show MODEL --files"


class LayerNotFound(NotFound):
    """The network has no layer of that name."""

    hint = "See: zoo show MODEL --layers"


class DatasetNotFound(NotFound):
    """There is no dataset of that name."""

    hint = "See: zoo datasets list"


class JobNotFound(NotFound):
    """There is no job of that number."""

    hint = "See: zoo jobs"


class LogNotFound(NotFound):
    """What this attempt printed is not here."""

    hint = "See its attempts: zoo jobs show NUMBER"


class AccountNotFound(NotFound):
    """There is no account of that name."""

    hint = "See: zoo accounts"


class TokenNotFound(NotFound):
    """There is no token of that number."""

    hint = "See: zoo tokens"


class PathNotFound(NotFound):
    """There is no such file or folder."""

    hint = "Check the spelling of the path."
