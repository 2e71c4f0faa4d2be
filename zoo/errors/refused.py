"""Requests that a server turns away, as they are or for now."""

from zoo.errors.tree import ZooError


class Unauthenticated(ZooError):
    """This zoo asks who you are."""

    hint = (
        "Send a token: Authorization: Bearer zoo_... (HF_TOKEN for clients of the Hub); an admin"
        " makes one with `zoo tokens create NAME`."
    )


class Forbidden(ZooError):
    """The request is not one that this server answers."""

    hint = "Send it to localhost, or add the name the server has to ZOO_TRUSTED_HOSTS."


class TooManyRequests(ZooError):
    """This caller has asked too often."""

    hint = "Wait for the seconds told, then go on; ZOO_REQUESTS_PER_MINUTE is the limit."


class Overloaded(ZooError):
    """More pictures wait than this server lets wait."""

    hint = "Send it again after the seconds told; ZOO_QUEUE_PICTURES bounds what waits."


class NotReady(ZooError):
    """The server ends, and takes no more requests."""

    hint = "Send it again when the server is back, or to another one."


class DeadlinePassed(ZooError):
    """The time that the client gave had passed before the pictures' turn came."""

    hint = "Give more time, or send fewer requests at once."


class GoneAway(ZooError):
    """The client has closed its connection, so nothing was predicted for it."""

    hint = "Send the request again, and wait for its answer."


class TooSlow(ZooError):
    """The request was sent too slowly to wait for the rest of it."""

    hint = "Send it again over a better connection, or in parts."


class TooLarge(ZooError):
    """What was sent is larger than this zoo takes."""

    hint = "The limits are settings; `zoo doctor` shows them."


class QuotaExceeded(ZooError):
    """The owner may have no more."""

    hint = "Delete models of this owner and have an admin sweep, or ask an admin for more."
