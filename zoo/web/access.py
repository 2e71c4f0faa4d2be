"""Who may ask what: every view declares its need, and one that declares none answers nobody.

Where the server is open it asks nobody who they are, so any page a browser shows could use it: by
a form or a script (cross-site request forgery), or by a name that is led to this machine (DNS
rebinding). So requests are answered under the server's own names only, and changes are not made
for pages of other sites, whoever asks.
"""

import base64
import binascii
import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import current_app, g, request

from zoo.domain.access import ANONYMOUS, LOCAL, Caller, Role
from zoo.errors import BadRequest, Forbidden, Unauthenticated
from zoo.operations.accounts import authenticate
from zoo.settings import Settings
from zoo.web.context import current_zoo
from zoo.web.limits import check_rate

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
SAFE = {"GET", "HEAD", "OPTIONS"}
OWN_SITES = {"same-origin", "none"}  # "none" is the user, who typed the address
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip")  # what proxies add
LONGEST_SECRET = 512
COOKIE = "zoo_token"  # of a browser that has signed in

View = TypeVar("View", bound=Callable[..., Any])


class Need(Enum):
    """What a view asks of its caller; operations then look at the model or dataset it is about."""

    NOBODY = "nobody"  # to be known at all
    SIGNED = "signed"  # its own signature in the address, which the view checks
    READ = "read"
    WRITE = "write"  # somewhere; where, the operation checks
    ACCOUNT = "account"  # to be somebody
    ADMIN = "admin"  # to look after the whole zoo


def needs(need: Need) -> Callable[[View], View]:
    """Have a view declare what it asks of its caller."""

    def mark(view: View) -> View:
        view.need = need  # type: ignore[attr-defined]  # a function carries what it declares
        return view

    return mark


def need_of(endpoint: str) -> Need | None:
    """Tell what the view of an endpoint declares; the framework's own files are for everyone."""
    if endpoint == "static":
        return Need.NOBODY
    return getattr(current_app.view_functions[endpoint], "need", None)


def check_access() -> None:
    """Say who asks, and refuse what they may not ask.

    Raises:
        Forbidden: it is meant for another host, another site's page asks for a change, or the
            caller lacks the role.
        Unauthenticated: a token is needed, and none or a wrong one was shown.
        TooManyRequests: the caller asks too often.
    """
    settings = current_zoo().settings
    is_open = is_open_to(settings, request.remote_addr)
    host = request.headers.get("Host", "")
    if not _is_ours(host, settings, is_open=is_open):
        raise Forbidden(f"This server is not {host!r}.", host=host)
    if request.method not in SAFE:
        _check_origin(host)
    if request.endpoint is None:
        return  # There is nothing at this address, for nobody.
    need = need_of(request.endpoint)
    if need is None:
        raise Forbidden("This address declares nobody who may ask it.", hint="Report it: a fault.")
    if need in {Need.NOBODY, Need.SIGNED}:
        return
    g.caller = _identify(is_open=is_open)
    if not is_open:
        check_rate(g.caller, settings.requests_per_minute)
    _check_need(g.caller, need, anonymous_read=settings.anonymous_read)


def is_open_to(settings: Settings, remote: str | None) -> bool:
    """Tell whether the server asks someone at this address who they are not."""
    if settings.access != "auto":
        return settings.access == "open"
    # A proxy makes every address look like this machine's own; with one, hosts are trusted, and
    # one that was forgotten in the settings tells of itself.
    is_direct = not any(name in request.headers for name in FORWARDED)
    return is_direct and is_open_at(settings, settings.host) and _is_loopback(remote or "")


def is_open_at(settings: Settings, host: str) -> bool:
    """Tell whether a server that listens at this address is open to whoever reaches it."""
    if settings.access != "auto":
        return settings.access == "open"
    return (host == "localhost" or _is_loopback(host)) and not settings.trusted_hosts


def _identify(*, is_open: bool) -> Caller:
    if is_open:
        return replace(LOCAL, address=request.remote_addr)
    secret = _read_secret()
    if secret is None:
        return replace(ANONYMOUS, address=request.remote_addr)
    return replace(authenticate(current_zoo(), secret), address=request.remote_addr)


def _read_secret() -> str | None:
    """Read the token of a request: a bearer's, the password that git-lfs sends, or a browser's.

    Raises:
        BadRequest: the header is neither.
        Forbidden: a browser asks for a change and does not say from which page.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return _read_cookie()
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError) as error:
            raise BadRequest("The Authorization header is no user and password.") from error
    elif scheme.lower() != "bearer":
        raise BadRequest(
            f"Authorization by {scheme[:20]!r} is not known here.",
            hint="Send a token: Authorization: Bearer zoo_...",
        )
    if not 0 < len(value) <= LONGEST_SECRET:
        raise Unauthenticated("The token is empty or too long to be one.")
    return value


def _read_cookie() -> str | None:
    """Read the token that a browser keeps.

    It sends it by itself, so a change has to name the page it comes from, which was checked to be
    one of this server. The cookie goes with requests of its own site only (SameSite=Strict); this
    holds for browsers too that do not know of that.
    """
    secret = request.cookies.get(COOKIE)
    if not secret:
        return None
    if request.method not in SAFE and "Origin" not in request.headers:
        raise Forbidden(
            "A change that a cookie speaks for has to say which page it comes from.",
            hint="Send the token without a browser: Authorization: Bearer zoo_...",
        )
    if len(secret) > LONGEST_SECRET:
        raise Unauthenticated("The token is too long to be one.")
    return secret


def _check_need(caller: Caller, need: Need, *, anonymous_read: bool) -> None:
    if caller.is_anonymous and not (need is Need.READ and anonymous_read):
        raise Unauthenticated
    if need is Need.WRITE and not caller.may_somewhere(Role.WRITE):
        raise Forbidden(
            f"{caller.account!r} may not change anything with this token.",
            hint="Use a token with the write role: zoo tokens create NAME --role write",
        )
    if need is Need.ADMIN and not caller.rules:
        raise Forbidden(
            f"{caller.account!r} does not look after this zoo.", hint="Ask an admin of the zoo."
        )


def _is_ours(host: str, settings: Settings, *, is_open: bool) -> bool:
    """Tell whether a Host value names this server.

    A rebinding page needs a name to lead here, so where tokens are asked for, an address and this
    machine's own name will do; an open server answers to loopback and to names that are trusted.
    """
    match = HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower()
    trusted = {name.strip("[]").lower() for name in settings.trusted_hosts}
    if name == "localhost" or name in trusted or _is_loopback(name):
        return True
    return not is_open and (_is_address(name) or name == socket.gethostname().lower())


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


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
