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
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import current_app, g, request
from werkzeug.http import parse_cookie

from zoo.domain.access import ANONYMOUS, LOCAL, Caller, Role
from zoo.errors import BadRequest, Forbidden, Unauthenticated
from zoo.operations.accounts import authenticate
from zoo.operations.opening import Zoo
from zoo.settings import Settings
from zoo.web.context import current_zoo
from zoo.web.limits import RATES, Rates, check_rate

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
SAFE = {"GET", "HEAD", "OPTIONS"}
OWN_SITES = {"same-origin", "none"}  # "none" is the user, who typed the address
# What proxies add.
FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP")
FAILED = "zoo.failed"  # in the WSGI environment: why a request was refused that was tried already
MOST_REMEMBERED = 256  # hosts and addresses of clients, which are the same few
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
        Forbidden, Unauthenticated, TooManyRequests, BadRequest: as `admit`.
    """
    # What is asked was tried already, see `zoo.web.short`. The error holds the request by its
    # traceback: each would keep the other, and the body, until somebody looks for circles.
    failed = request.environ.pop(FAILED, None)
    if failed is not None:
        try:
            raise failed
        finally:
            del failed
    zoo = current_zoo()
    is_open = check_sender(zoo.settings, request.environ)
    if request.endpoint is None:
        return  # There is nothing at this address, for nobody.
    need = need_of(request.endpoint)
    if need is None:
        raise Forbidden("This address declares nobody who may ask it.", hint="Report it: a fault.")
    if need not in {Need.NOBODY, Need.SIGNED}:
        rates = current_app.extensions[RATES]
        g.caller = admit(zoo, rates, request.environ, need, is_open=is_open)


def check_sender(settings: Settings, environ: Mapping[str, Any]) -> bool:
    """Refuse what is meant for others, or sent by their pages; tell whether the server is open.

    Raises:
        Forbidden: it is meant for another host, or another site's page asks for a change.
    """
    is_open = is_open_to(settings, environ)
    host = environ.get("HTTP_HOST", "")
    if not _is_ours(host, settings.trusted_hosts, is_open=is_open):
        raise Forbidden(f"This server is not {host!r}.", host=host)
    if environ["REQUEST_METHOD"] not in SAFE:
        _check_origin(host, environ)
    return is_open


def admit(
    zoo: Zoo, rates: Rates, environ: Mapping[str, Any], need: Need, *, is_open: bool
) -> Caller:
    """Find out who asks, and refuse them where they may not, or ask too often.

    Raises:
        Forbidden: the caller lacks the role.
        Unauthenticated: a token is needed, and none or a wrong one was shown.
        BadRequest: it is shown in a way that is not known.
        TooManyRequests: the caller asks too often.
    """
    per_minute = zoo.settings.requests_per_minute
    try:
        caller = _identify(zoo, environ, is_open=is_open)
    except Unauthenticated:
        stranger = replace(ANONYMOUS, address=environ.get("REMOTE_ADDR"))
        check_rate(rates, stranger, per_minute)
        raise
    if not is_open:
        check_rate(rates, caller, per_minute)
    _check_need(caller, need, anonymous_read=zoo.settings.anonymous_read)
    return caller


def is_open_to(settings: Settings, environ: Mapping[str, Any]) -> bool:
    """Tell whether the server asks who sends this who they are not."""
    if settings.access != "auto":
        return settings.access == "open"
    # A proxy makes every address look like this machine's own; with one, hosts are trusted, and
    # one that was forgotten in the settings tells of itself.
    is_direct = not any(name in environ for name in FORWARDED)
    remote = environ.get("REMOTE_ADDR", "")
    return is_direct and is_open_at(settings, settings.host) and _is_loopback(remote)


def is_open_at(settings: Settings, host: str) -> bool:
    """Tell whether a server that listens at this address is open to whoever reaches it."""
    if settings.access != "auto":
        return settings.access == "open"
    return (host == "localhost" or _is_loopback(host)) and not settings.trusted_hosts


def _identify(zoo: Zoo, environ: Mapping[str, Any], *, is_open: bool) -> Caller:
    remote = environ.get("REMOTE_ADDR")
    if is_open:
        return _local_at(remote)
    secret = _read_secret(environ)
    if secret is None:
        return replace(ANONYMOUS, address=remote)
    return replace(authenticate(zoo, secret), address=remote)


@lru_cache(MOST_REMEMBERED)
def _local_at(remote: str | None) -> Caller:
    return replace(LOCAL, address=remote)


def _read_secret(environ: Mapping[str, Any]) -> str | None:
    """Read the token of a request: a bearer's, the password that git-lfs sends, or a browser's.

    Raises:
        BadRequest: the header is neither.
        Forbidden: a browser asks for a change and does not say from which page.
    """
    header: str | None = environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return _read_cookie(environ)
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


def _read_cookie(environ: Mapping[str, Any]) -> str | None:
    """Read the token that a browser keeps.

    It sends it by itself, so a change has to name the page it comes from, which was checked to be
    one of this server. The cookie goes with requests of its own site only (SameSite=Strict); this
    holds for browsers too that do not know of that.
    """
    secret: str | None = parse_cookie(environ.get("HTTP_COOKIE")).get(COOKIE)
    if not secret:
        return None
    if environ["REQUEST_METHOD"] not in SAFE and "HTTP_ORIGIN" not in environ:
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


@lru_cache(MOST_REMEMBERED)
def _is_ours(host: str, trusted_hosts: tuple[str, ...], *, is_open: bool) -> bool:
    """Tell whether a Host value names this server.

    A rebinding page needs a name to lead here, so where tokens are asked for, an address and this
    machine's own name will do; an open server answers to loopback and to names that are trusted.
    """
    match = HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower()
    trusted = {name.strip("[]").lower() for name in trusted_hosts}
    if name == "localhost" or name in trusted or _is_loopback(name):
        return True
    return not is_open and (_is_address(name) or name == socket.gethostname().lower())


@lru_cache(MOST_REMEMBERED)
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


def _check_origin(host: str, environ: Mapping[str, Any]) -> None:
    """Refuse a change whose sender is a page of another origin; without a browser there is none."""
    site = environ.get("HTTP_SEC_FETCH_SITE", "none")
    origin = environ.get("HTTP_ORIGIN")
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
