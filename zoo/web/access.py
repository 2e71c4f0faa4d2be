"""Who may ask: requests for this server by a name of its own, and changes from its own pages only.

The server asks nobody who they are, so any page a browser shows could use it: by a form or a script
(cross-site request forgery), or by a name that is led to this machine (DNS rebinding).
"""

import ipaddress
import re
from urllib.parse import urlsplit

from flask import request

from zoo.errors import Forbidden
from zoo.web.context import current_zoo

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
SAFE = {"GET", "HEAD", "OPTIONS"}
OWN_SITES = {"same-origin", "none"}  # "none" is the user, who typed the address


def check_access() -> None:
    """Refuse what is meant for another host, and changes that another site's page asks for.

    Raises:
        Forbidden: it is one of them.
    """
    host = request.headers.get("Host", "")
    if not _is_ours(host):
        raise Forbidden(f"This server is not {host!r}.", host=host)
    if request.method not in SAFE:
        _check_origin(host)


def _is_ours(host: str) -> bool:
    """Tell whether a Host value is this machine's loopback, or a name the settings trust."""
    match = HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower()
    trusted = {name.strip("[]").lower() for name in current_zoo().settings.trusted_hosts}
    return name == "localhost" or name in trusted or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_origin(host: str) -> None:
    """Refuse a change whose sender is a page of another origin; without a browser there is none."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    is_own = origin is None or _host_of(origin) == host.lower()
    if site not in OWN_SITES or not is_own:
        raise Forbidden(
            f"A page of {origin or 'another site'} may not change this zoo.",
            hint="Send the request without a browser; a proxy in between must pass the Host on.",
            origin=origin,
            site=site,
        )


def _host_of(origin: str) -> str | None:
    """Give host and port of an origin; nothing for ``null`` and what is no origin."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
