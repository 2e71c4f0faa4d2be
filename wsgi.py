"""`wsgi:app` for any WSGI server: gunicorn wsgi:app, granian --interface wsgi wsgi:app."""

from zoo.web.app import create_app

app = create_app()
