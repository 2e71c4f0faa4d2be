"""The pages, as blueprints."""

from types import ModuleType

from zoo.web.pages import assets, signing_in

PAGES: tuple[ModuleType, ...] = (assets, signing_in)
