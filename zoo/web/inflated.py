"""Bodies that come compressed are bounded: each, and all that are here at once.

A client sends little for much: 64 KiB become 64 MiB. So before a body is inflated its request takes
the memory that it may need, in its turn, keeps of it what the body became, and gives that back when
it is over. Nobody asks for more while holding some, so nobody waits for ever.
"""

from flask import Flask, current_app, g

from zoo.images.turns import Share
from zoo.settings import Settings
from zoo.web.encoding import bound_inflated, inflate

INFLATED = "zoo_inflated"


def install(app: Flask, settings: Settings) -> None:
    """Bound what the bodies of an app take that are inflated at once."""
    app.extensions[INFLATED] = Share(most_bytes=settings.decoding_bytes)
    app.teardown_request(_give_back)


def inflate_body(body: memoryview, encoding: str, *, most_bytes: int) -> memoryview:
    """Inflate the body of this request, as `inflate`, when there is memory for it.

    Raises:
        Unsupported, TooLarge, BadRequest: as `inflate`.
    """
    needed = bound_inflated(body, encoding, most_bytes=most_bytes)
    if not needed:
        return inflate(body, encoding, most_bytes=most_bytes)
    share: Share = current_app.extensions[INFLATED]
    g.inflated_bytes = taken = share.take(needed)
    plain = inflate(body, encoding, most_bytes=most_bytes)
    g.inflated_bytes = share.keep(taken, len(plain))
    return plain


def _give_back(_error: BaseException | None) -> None:
    if (taken := g.pop("inflated_bytes", None)) is not None:
        share: Share = current_app.extensions[INFLATED]
        share.give(taken)
