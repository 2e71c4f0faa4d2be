"""The pages, as blueprints."""

from types import ModuleType

from zoo.web.pages import assets, faces, gallery, models, signing_in

PAGES: tuple[ModuleType, ...] = (assets, signing_in, gallery, faces, models)
