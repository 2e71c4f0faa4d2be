"""The web app: made from settings and nothing else."""

import atexit
import re
from contextlib import ExitStack

from flask import Flask, Response, request
from werkzeug.routing import BaseConverter

from zoo.domain.revision import RESERVED
from zoo.errors import BadRequest
from zoo.operations.opening import open_zoo
from zoo.operations.predict import open_service
from zoo.operations.warming import Warming
from zoo.settings import Settings, read_settings
from zoo.web import access, answers, inflated, metrics, reference, traffic
from zoo.web.api import (
    accounts,
    advice,
    aliases,
    comparisons,
    creations,
    datasets,
    filters,
    health,
    imports,
    jobs,
    layers,
    maps,
    measuring,
    models,
    predict,
    predictions,
    quantizations,
    quotas,
    refs,
    revisions,
    statistics,
    surgeries,
    sweeps,
    uploads,
)
from zoo.web.chunks import CheckedChunks
from zoo.web.context import SERVICE, ZOO
from zoo.web.counting import COUNTS, Counts
from zoo.web.hub import lfs, reading, writing, xet
from zoo.web.hub.addresses import KeptSlashes, RefConverter
from zoo.web.inference import extensions, infer, repository
from zoo.web.inference import health as inference_health
from zoo.web.inference import models as inference_models
from zoo.web.inference import statistics as inference_statistics
from zoo.web.inference.addresses import ServedConverter
from zoo.web.limits import RATES, Rates
from zoo.web.pages import frame
from zoo.web.pages.table import PAGES
from zoo.web.short import SECURE, Short

HELD_S = 3600.0  # A request is over by then, and whatever reads a file has it open.


class ModelConverter(BaseConverter):
    """A model's name in an address: ``name`` or ``owner/name``.

    An address that ends in a word that no name ends in is never one of a model, whatever the
    method: ``lenet/predict`` is not read as the model ``predict`` of an owner ``lenet``.
    """

    regex = rf"[^/]+(?:/(?!(?:{'|'.join(map(re.escape, sorted(RESERVED)))})$)[^/]+)?"
    part_isolating = False


def create_app(settings: Settings | None = None) -> Flask:
    """Make the app over the zoo that the settings name; it is closed with the process."""
    app = Flask(__name__)
    stack = ExitStack()
    atexit.register(stack.close)
    zoo = stack.enter_context(open_zoo(settings or read_settings(), held_s=HELD_S))
    app.extensions[ZOO] = zoo
    service = app.extensions[SERVICE] = open_service(zoo)
    stack.callback(service.close)
    counts = app.extensions[COUNTS] = Counts(zoo)
    stack.callback(counts.close)
    stack.callback(Warming(zoo).close)
    app.extensions[RATES] = Rates()
    app.config["MAX_CONTENT_LENGTH"] = zoo.settings.max_upload_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    app.url_map.converters["model"] = ModelConverter
    app.url_map.converters["ref"] = RefConverter
    app.url_map.converters["served"] = ServedConverter
    app.wsgi_app = KeptSlashes(app.wsgi_app)  # type: ignore[assignment,method-assign]  # Flask's own way
    answers.install(app)
    traffic.install(app)
    inflated.install(app, zoo.settings)
    frame.install(app)
    for room in (
        models,
        revisions,
        uploads,
        imports,
        refs,
        layers,
        filters,
        predict,
        predictions,
        quantizations,
        maps,
        surgeries,
        sweeps,
        measuring,
        creations,
        datasets,
        jobs,
        advice,
        aliases,
        accounts,
        quotas,
        statistics,
        comparisons,
        health,
        reference,
        reading,
        writing,
        lfs,
        xet,
        inference_health,
        inference_models,
        infer,
        repository,
        inference_statistics,
        extensions,
        metrics,
        *PAGES,
    ):
        app.register_blueprint(room.bp)
    app.before_request(_refuse_nul)
    app.before_request(access.check_access)
    app.after_request(_secure)
    app.wsgi_app = CheckedChunks(app.wsgi_app)  # type: ignore[assignment,method-assign]  # Flask's own way
    app.wsgi_app = Short(app)  # type: ignore[assignment,method-assign]  # Flask's own way
    return app


def _refuse_nul() -> None:
    """Refuse a NUL in an address, once for all views: PostgreSQL takes none, and no name holds one.

    Raises:
        BadRequest: the path or the query holds one.
    """
    if "\0" in request.path or b"%00" in request.query_string or b"\0" in request.query_string:
        raise BadRequest("The address holds a NUL.", hint="No name, ref or path holds one.")


def _secure(response: Response) -> Response:
    """Have browsers treat every answer as what it says it is, and load nothing from elsewhere."""
    for name, value in SECURE.items():
        response.headers.setdefault(name, value)
    return response
