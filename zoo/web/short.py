"""The two addresses that are asked most, without the framework around them.

What Flask does for every request (contexts, sessions, routing over all addresses, objects for the
request and its answer) costs more than the rest of the server does for one picture. So a request
that is as plain as clients send them is admitted, answered and counted here, by the functions that
the views call too. One that is less plain, and every one that is refused, goes on to Flask.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from threading import get_ident
from typing import Any

from flask import Flask

from zoo.operations.opening import Zoo
from zoo.operations.predict import predict
from zoo.serving.asking import Terms
from zoo.serving.service import Service
from zoo.web.access import FAILED, Need, admit, check_sender
from zoo.web.api.predict import JSON, write_predictions
from zoo.web.body import receive_whole
from zoo.web.connection import watch_client
from zoo.web.context import SERVICE, ZOO
from zoo.web.heads import KNOWN
from zoo.web.inference.answered import write_outputs
from zoo.web.inference.body import read_json_bytes
from zoo.web.inference.infer import Asked, infer, outputs_of
from zoo.web.limits import RATES
from zoo.web.traffic import BEGUN, TRAFFIC

SECURE = {  # of every answer
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
SECURE_ITEMS = tuple(SECURE.items())
WORD = r"[A-Za-z0-9._-]+"
SERVED = rf"{WORD}(?:/(?!(?:config|infer|ready|stats|versions)/){WORD})?(?:[:@]{WORD})?"
INFER = re.compile(rf"/v2/models/({SERVED})/infer")
PREDICT = re.compile(rf"/v1/models/({SERVED})/predict")
UNUSUAL = ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING", "QUERY_STRING")
MOST_DIGITS = 18
PLAIN = "plain"

Environ = dict[str, Any]
Written = tuple[bytes, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One of the addresses, as Flask declares it."""

    pattern: re.Pattern[str]
    rule: str
    need: Need
    most_bytes: int
    answer: Callable[[Zoo, Service, Environ, str, memoryview], Written]


@dataclass(slots=True, kw_only=True)
class Plain:
    """A request as its head tells it, which is the same for all that begin with that head."""

    way: Way
    name: str  # of what is served
    size_bytes: int  # of its body
    is_open: bool | None = None  # whether the server is open to its sender, once that is known
    zoo: Zoo | None = None  # opened for whoever asked last, who is the same where all are let in


class Short:
    """A WSGI app around Flask's, which answers what is plain by itself."""

    def __init__(self, app: Flask) -> None:
        self.app = app.wsgi_app
        self.zoo: Zoo = app.extensions[ZOO]
        self.service: Service = app.extensions[SERVICE]
        self.rates, self.traffic = app.extensions[RATES], app.extensions[TRAFFIC]
        settings = self.zoo.settings
        self.ways = (
            _way(app, "inference_infer.post_infer", INFER, _infer, settings.max_inference_bytes),
            _way(app, "predict.post_predict", PREDICT, _predict, settings.max_picture_bytes),
        )

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, or have Flask do it."""
        begun_s = time.monotonic()
        known: dict[str, Plain] = environ.get(KNOWN, {})
        plain = known.get(PLAIN) or self._find_plain(environ)
        if plain is None:
            return self.app(environ, start)
        try:
            if plain.is_open is None:
                plain.is_open = check_sender(self.zoo.settings, environ)
                known[PLAIN] = plain
            zoo = plain.zoo
            if zoo is None or not plain.is_open:
                zoo = self._open_for(environ, plain)
            body, headers = self._answer(environ, plain, zoo)
        except Exception as error:  # noqa: BLE001  # Flask raises it again, and tells it
            environ |= {FAILED: error, BEGUN: begun_s}
            return self.app(environ, start)
        self.traffic.count(("POST", plain.way.rule, "200"), time.monotonic() - begun_s)
        start("200 OK", [("Content-Length", str(len(body))), *headers.items(), *SECURE_ITEMS])
        return [body]

    def _find_plain(self, environ: Mapping[str, Any]) -> Plain | None:
        """Tell what a request asks by what its head says, if it is as plain as most are."""
        for way in self.ways:
            if (found := way.pattern.fullmatch(environ["PATH_INFO"])) and _is_plain(environ, way):
                return Plain(way=way, name=found[1], size_bytes=int(environ["CONTENT_LENGTH"]))
        return None

    def _open_for(self, environ: Environ, plain: Plain) -> Zoo:
        """Open the zoo for whoever asks, where they may."""
        is_open = plain.is_open is True
        caller = admit(self.zoo, self.rates, environ, plain.way.need, is_open=is_open)
        if plain.zoo is None or plain.zoo.caller is not caller:
            plain.zoo = replace(self.zoo, caller=caller)
        return plain.zoo

    def _answer(self, environ: Environ, plain: Plain, zoo: Zoo) -> Written:
        body = receive_whole(environ, plain.size_bytes)
        me = get_ident()
        self.service.at_work.add(me)
        try:
            return plain.way.answer(zoo, self.service, environ, plain.name, body)
        finally:
            self.service.at_work.discard(me)
            self.service.trimming.after(plain.size_bytes)


def _way(
    app: Flask,
    endpoint: str,
    pattern: re.Pattern[str],
    answer: Callable[[Zoo, Service, Environ, str, memoryview], Written],
    most_bytes: int,
) -> Way:
    (rule,) = app.url_map.iter_rules(endpoint)
    return Way(
        pattern=pattern,
        rule=rule.rule,
        need=getattr(app.view_functions[endpoint], "need"),  # noqa: B009  # as all views declare it
        most_bytes=min(most_bytes, app.extensions[ZOO].settings.max_upload_bytes),
        answer=answer,
    )


def _is_plain(environ: Mapping[str, Any], way: Way) -> bool:
    """Tell whether a request is a POST of a known length that is allowed, and nothing else."""
    length = environ.get("CONTENT_LENGTH", "")
    return (
        environ["REQUEST_METHOD"] == "POST"
        and not any(map(environ.get, UNUSUAL))
        and not environ.get("CONTENT_TYPE", "").lower().startswith("multipart")
        and (length.isascii() and length.isdigit() and len(length) <= MOST_DIGITS)
        and 0 < int(length) <= way.most_bytes
    )


def _infer(zoo: Zoo, service: Service, environ: Environ, name: str, body: memoryview) -> Written:
    asked = Asked(json_bytes=read_json_bytes(environ), body=body)
    requested, found = infer(zoo, service, name, asked, watch_client(environ))
    outputs = outputs_of(requested, found)
    accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
    return write_outputs(name, found.revision, outputs, request_id=requested.id, accepted=accepted)


def _predict(zoo: Zoo, service: Service, environ: Environ, name: str, body: memoryview) -> Written:
    terms = Terms(is_wanted=watch_client(environ))
    answers = predict(zoo, service, name, [("body", bytes(body))], terms=terms)
    return write_predictions(answers), {"Content-Type": JSON}
