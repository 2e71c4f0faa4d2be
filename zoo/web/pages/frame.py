"""What all pages share: their frame, their policy, and the same content for other tools."""

import gzip
import shlex
from dataclasses import dataclass

from flask import Flask, Response, g, render_template, request

from zoo import __version__
from zoo.domain.access import ANONYMOUS
from zoo.web.access import is_open_to
from zoo.web.answers import ERROR_PAGE
from zoo.web.context import current_zoo
from zoo.web.pages import words
from zoo.web.pages.assets import asset_url

# Nothing inline, nothing from elsewhere. Pictures may lie inside a page: the one that was tried.
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
PACKED_FROM = 1024  # bytes
PACKING = 4  # of gzip's levels 1 to 9
UNAUTHENTICATED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How else to get what a page shows: the command, and the address of the same as JSON."""

    twin: str  # path and query
    command: str  # without the name of the program
    body: str = ""  # the file that is sent, where something is
    is_form: bool = False  # it is a part of a form, of which there may be several

    @property
    def zoo(self) -> str:
        """Give the command; it names the server where that is on another machine."""
        own = request.host.partition(":")[0] in {"localhost", "127.0.0.1"}
        return f"zoo {self.command}" if own else f"zoo {self.command} --at {_root()}"

    @property
    def curl(self) -> str:
        """Give the command of curl."""
        header = '-H "Authorization: Bearer $ZOO_TOKEN" ' if _asks_for_tokens() else ""
        option = "-F file=" if self.is_form else "--data-binary "
        body = f"{option}@{self.body} " if self.body else ""
        return f"curl {header}{body}{shlex.quote(_root() + self.twin)}"

    @property
    def python(self) -> str:
        """Give the lines of Python."""
        if self.is_form:
            return self._hub
        asked = repr(_root() + self.twin)
        if self.body:
            asked += f", open({self.body!r}, 'rb').read()"
        if _asks_for_tokens():
            header = "{'Authorization': 'Bearer ' + os.environ['ZOO_TOKEN']}"
            asked = f"web.Request({asked}, headers={header})"
        used = "json, os" if _asks_for_tokens() else "json"
        return f"import {used}, urllib.request as web; json.load(web.urlopen({asked}))"

    @property
    def _hub(self) -> str:
        """Give the lines of a client of the Hub, which sends several files as Python cannot."""
        token = ", token=os.environ['ZOO_TOKEN']" if _asks_for_tokens() else ""
        used = "import os; " if token else ""
        return (
            f"{used}from huggingface_hub import HfApi; hub = HfApi({_root()!r}{token}); "
            "name = hub.create_repo('NAME', exist_ok=True).repo_id; "
            "hub.upload_folder(repo_id=name, folder_path='./folder')"
        )


def install(app: Flask) -> None:
    """Have an app's templates know what the frame takes, and its errors be pages for browsers."""
    words.install(app)
    app.jinja_env.globals |= {"asset": asset_url, "version": __version__}
    app.extensions[ERROR_PAGE] = show_error


def show(
    template: str, *, status: int = 200, ways: Ways | None = None, **values: object
) -> Response:
    """Draw a page."""
    zoo = current_zoo()
    text = render_template(
        template,
        ways=ways,
        caller=g.get("caller", ANONYMOUS),
        is_open=is_open_to(zoo.settings, request.environ),
        **values,
    )
    response = Response(text, status=status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-cache, private"
    _pack(response)
    return response


def show_error(status: int, code: str, message: str, hint: str) -> Response:
    """Draw the page of an error: what happened, and the next step."""
    asked = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return show(
        "sign_in.html" if status == UNAUTHENTICATED else "error.html",
        status=status,
        code=code,
        message=message,
        hint=hint,
        next=asked,
        target=request.headers.get("HX-Target", "").partition("#")[2],
    )


def _pack(response: Response) -> None:
    """Compress a page for those who take it so."""
    response.headers["Vary"] = "Accept, Accept-Encoding, Cookie"
    data = response.get_data()
    if len(data) >= PACKED_FROM and request.accept_encodings.best_match(["gzip"]):
        response.set_data(gzip.compress(data, PACKING, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def _root() -> str:
    return request.host_url.rstrip("/")


def _asks_for_tokens() -> bool:
    return not is_open_to(current_zoo().settings, request.environ)
