"""The pages, as blueprints."""

from types import ModuleType

from zoo.web.pages import (
    adding,
    admin,
    assets,
    comparison,
    datasets,
    drift,
    faces,
    filters,
    finetune,
    gallery,
    jobs,
    models,
    signing_in,
    trying,
)

PAGES: tuple[ModuleType, ...] = (
    assets,
    signing_in,
    gallery,
    faces,
    models,
    filters,
    drift,
    trying,
    datasets,
    jobs,
    finetune,
    adding,
    comparison,
    admin,
)
