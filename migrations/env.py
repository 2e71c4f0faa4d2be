"""How alembic reaches the catalog: the engine it is handed, or the one the settings name."""

from alembic import context

from zoo.catalog.database import Database
from zoo.catalog.tables import Base, is_compared
from zoo.settings import read_settings


def migrate(connection):
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        include_object=is_compared,
    )
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    migrate(connection)
else:
    settings = read_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    with Database(settings.catalog_url).engine.connect() as own:
        migrate(own)
        own.commit()
