"""Served names in addresses: ``model``, ``owner/model``, and either with a ref behind it."""

from werkzeug.routing import BaseConverter

from zoo.operations.serve import find_address
from zoo.web.context import current_zoo


class ServedConverter(BaseConverter):
    """A served name: ``name``, ``owner/name``, ``name:production``, ``name:feat/x``, ``name@1a2b``.

    Clients of Triton leave slashes as they are, so what a name may not end with is left to the
    address that ends so.
    """

    regex = (
        r"[^/:@]+"
        r"(?:/(?!(?:config|infer|ready|stats|versions)(?:/|$))[^/:@]+)?"
        r"(?:[:@].+?(?<!/infer))?"
    )
    part_isolating = False


def address_of(name: str, version: str) -> str:
    """Give the address of what is asked: the name, or the revision that is given as its version.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such thing.
    """
    return find_address(current_zoo(), name, version)
