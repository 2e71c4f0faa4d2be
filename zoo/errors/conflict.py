"""What is refused since something else has happened in the meantime."""

from zoo.errors.tree import ZooError


class Conflict(ZooError):
    """Something else has happened since."""


class LeaseLost(Conflict):
    """Another attempt has taken this job over."""

    hint = "Nothing to do: the newer attempt goes on with it."


class RefMoved(Conflict):
    """The branch points to another revision by now."""

    hint = "Look at what came in between, and send the change again on top of it."


class UploadMoved(Conflict):
    """Another number of bytes of the upload has been received."""

    hint = "Ask how far it came, and go on there."


class ModelExists(Conflict):
    """There is a model of that name already."""

    hint = "Choose another name, or publish a revision of the one there is."


class RefExists(Conflict):
    """The model has a ref of that name already."""

    hint = "Choose another name, or move the ref there is."


class StillNeeded(Conflict):
    """Something else is made of this, or points to it."""

    hint = "Delete what needs it first."


class AddressInUse(Conflict):
    """Another program listens on this address."""

    hint = "Choose another port: zoo serve --port 8081"
