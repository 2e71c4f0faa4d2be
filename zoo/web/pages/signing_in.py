"""/sign-in, /sign-out: a browser keeps a token as a cookie that no script reads."""

from dataclasses import replace

from flask import Blueprint, current_app, redirect, request
from flask.typing import ResponseReturnValue
from pydantic import Field
from werkzeug.wrappers import Response

from zoo.domain.access import ANONYMOUS
from zoo.errors import Unauthenticated
from zoo.operations.accounts import authenticate
from zoo.web.access import COOKIE, LONGEST_SECRET, Need, needs
from zoo.web.context import current_zoo, read_form
from zoo.web.limits import RATES, check_rate
from zoo.web.pages.frame import show
from zoo.web.shapes.base import Shape

bp = Blueprint("pages_signing_in", __name__)

SEE_OTHER = 303


class SignInForm(Shape):
    """A token, and the page to go on to."""

    token: str = Field(default="", max_length=LONGEST_SECRET)
    next: str = "/"


@bp.get("/sign-in")
@needs(Need.NOBODY)
def get_sign_in() -> ResponseReturnValue:
    """Ask for a token."""
    return show("sign_in.html", next=request.args.get("next", "/"), message="", hint="")


@bp.post("/sign-in")
@needs(Need.NOBODY)
def post_sign_in() -> ResponseReturnValue:
    """Keep a token that is one."""
    zoo = current_zoo()
    stranger = replace(ANONYMOUS, address=request.remote_addr)
    check_rate(current_app.extensions[RATES], stranger, zoo.settings.requests_per_minute)
    form = read_form(SignInForm)
    secret = form.token.strip()
    try:
        authenticate(zoo, secret)
    except Unauthenticated as error:
        return show("sign_in.html", status=401, next=form.next, message=str(error), hint=error.hint)
    response = redirect(_own_path(form.next), SEE_OTHER)
    _set_cookie(response, secret)
    return response


@bp.post("/sign-out")
@needs(Need.NOBODY)
def post_sign_out() -> ResponseReturnValue:
    """Forget the token."""
    response = redirect("/sign-in", SEE_OTHER)
    _set_cookie(response, "")
    return response


def _set_cookie(response: Response, secret: str) -> None:
    """Keep a token until the browser is closed, or forget it."""
    is_secure = request.is_secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(
        COOKIE,
        secret,
        max_age=None if secret else 0,
        httponly=True,
        samesite="Strict",
        secure=is_secure,
    )


def _own_path(path: str) -> str:
    """Give a path of this server, whatever was asked for: nobody is sent elsewhere."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"
