"""What a zoo is told from outside, read once into one frozen value.

A ``ZOO_*`` variable wins over ``./zoo.toml``, that over ``~/.config/zoo/zoo.toml``, that over the
default. Nothing else in the zoo reads the environment.
"""

import json
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from zoo.errors import BadSetting

MIB = 2**20
GIB = 2**30


class Settings(BaseSettings):
    """The settings of one zoo; every field is a ``ZOO_`` variable of the same name."""

    model_config = SettingsConfigDict(
        env_prefix="ZOO_", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    home: Path = Field(
        default=Path("~/.zoo"), description="Folder of the catalog, the blobs and the caches."
    )
    database_url: str = Field(
        default="", description="SQLAlchemy URL of the catalog; empty means SQLite in the home."
    )
    store: str = Field(
        default="",
        description="Where blobs are kept: a folder, or s3://BUCKET/PREFIX; empty means blobs/ in"
        " the home.",
    )
    store_endpoint: str = Field(
        default="", description="Address of the S3 service; empty means AWS_ENDPOINT_URL, or AWS."
    )
    store_public_endpoint: str = Field(
        default="",
        description="Address at which clients reach the S3 service; empty means the same.",
    )
    store_region: str = Field(
        default="", description="Region of the bucket; empty means AWS_REGION, or us-east-1."
    )
    store_redirects: bool = Field(
        default=True, description="Whether large downloads are redirected to the S3 service."
    )
    store_cache_bytes: int = Field(
        default=32 * GIB,
        ge=0,
        description="Most that copies of blobs in S3 take on this machine; those in use stay.",
    )
    signing_key: str = Field(
        default="",
        repr=False,
        description="Secret that signs the addresses of uploads, the same on all machines of a zoo;"
        " empty means one that the home keeps.",
    )
    host: str = Field(default="127.0.0.1", description="Address `zoo serve` listens on.")
    trusted_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names besides localhost that requests may be for, as a JSON list, no ports.",
    )
    access: Literal["auto", "open", "tokens"] = Field(
        default="auto",
        description="Who may ask: everyone (open), or who shows a token; auto is open to this"
        " machine alone, while it listens on loopback and trusts no other host.",
    )
    anonymous_read: bool = Field(
        default=False, description="Whether public models may be read without a token."
    )
    requests_per_minute: int = Field(
        default=6000, ge=0, description="Most that one account or address may ask; 0 is no limit."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port; 0 takes a free one.")
    web_threads: int = Field(default=128, ge=1, description="Threads of the web process.")
    worker_slots: int = Field(default=1, ge=0, description="Jobs a machine runs side by side.")
    worker_threads: int = Field(
        default=0, ge=0, description="Threads of a machine for jobs; 0 is as many as it has cores."
    )
    worker_memory_bytes: int = Field(
        default=0, ge=0, description="Memory of a machine for jobs; 0 is all that it may use."
    )
    worker_gpus: int = Field(default=0, ge=0, description="GPUs for jobs; 0 is all there are.")
    engine: Literal["local", "ray"] = Field(
        default="local",
        description="What runs jobs: processes of this machine, or a Ray cluster it belongs to.",
    )
    ray_address: str = Field(default="", description="HOST:PORT of the head of the Ray cluster.")
    ray_cpus: int = Field(default=1, ge=1, description="Cores of a job in the Ray cluster.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where networks run; auto takes CUDA when it is there."
    )
    lease_s: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds after which a silent job is given to another.",
    )
    max_upload_bytes: int = Field(default=16 * GIB, gt=0, description="Largest request body.")
    upload_part_bytes: int = Field(
        default=GIB, ge=MIB, description="Largest part that clients of the Hub send by itself."
    )
    quota_bytes: int = Field(
        default=0,
        ge=0,
        description="Most bytes an owner's models hold, each counted once; 0 is any.",
    )
    quota_models: int = Field(default=0, ge=0, description="Most models of an owner; 0 is any.")
    quota_revisions: int = Field(
        default=0, ge=0, description="Most revisions of an owner's models; 0 is any."
    )
    quota_jobs: int = Field(
        default=0,
        ge=0,
        description="Most jobs of an account that are not finished, admins' aside; 0 is any.",
    )
    max_archive_bytes: int = Field(
        default=256 * GIB, gt=0, description="Largest unpacked size of a dataset archive."
    )
    max_picture_bytes: int = Field(default=64 * MIB, gt=0, description="Largest picture file.")
    max_inference_bytes: int = Field(
        default=64 * MIB, gt=0, description="Largest body of tensors, also after it is inflated."
    )
    max_picture_pixels: int = Field(default=100_000_000, gt=0, description="Largest picture.")
    url: str = Field(default="", description="Address of the zoo that push and pull speak to.")
    token: str = Field(
        default="", repr=False, description="Token for it; empty means the one of `zoo login`."
    )
    tile_px: int = Field(
        default=1024, ge=64, description="Side above which dense networks read a picture in tiles."
    )
    cache_bytes: int = Field(
        default=8 * GIB,
        ge=0,
        description="Most that cached codes, pictures, graphs take, each; the least used go first.",
    )
    grace_s: float = Field(
        default=86_400.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds that deleted models and bytes nothing refers to are kept.",
    )
    log_days: float = Field(
        default=90.0,
        ge=0,
        le=36_500,
        allow_inf_nan=False,
        description="Days after which a sweep removes logs of jobs that ended; 0 is never.",
    )
    scrub_days: float = Field(
        default=30.0,
        ge=0,
        allow_inf_nan=False,
        description="Days in which `zoo serve` reads every byte once more; 0 is never.",
    )
    served_bytes: int = Field(
        default=4 * GIB,
        ge=0,
        description="Most memory of predictors held open; those in use are never closed.",
    )
    run_bytes: int = Field(
        default=4 * GIB,
        ge=64 * MIB,
        le=2**44,
        description="Most memory that the runs of one graph take together, on a CPU.",
    )
    max_answer_bytes: int = Field(
        default=512 * MIB,
        ge=MIB,
        description="Largest answer of a graph that is served as it is.",
    )
    queue_pictures: int = Field(
        default=1024, ge=1, description="Most pictures that wait to be predicted."
    )
    queue_bytes: int = Field(
        default=512 * MIB, ge=MIB, description="Most bytes of pictures that wait to be predicted."
    )
    decoding_bytes: int = Field(
        default=GIB,
        ge=MIB,
        description="Most memory of pictures that requests decode at once, and of compressed bodies"
        " that they inflate; a single one may take more.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # a zoo reads no .env
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Rank the sources, the strongest first."""
        files = [Path("~/.config/zoo/zoo.toml").expanduser(), Path("zoo.toml")]
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, files)

    @property
    def catalog_url(self) -> str:
        """The SQLAlchemy URL of the catalog."""
        return self.database_url or f"sqlite:///{quote(str(self.home / 'zoo.db'))}"

    def as_environment(self) -> dict[str, str]:
        """Write the settings down for a process of this zoo to read."""
        return {
            f"ZOO_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in self.model_dump(mode="json").items()
        }


def read_settings(**given: Any) -> Settings:  # noqa: ANN401  # whatever a field takes
    """Read the settings; ``given`` (a command's flags) wins over every other source.

    Raises:
        BadSetting: a value is not of its field's type, or a file is not TOML.
    """
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise BadSetting(f"Setting {name!r}: {first['msg']}", name=name) from error
    except SettingsError as error:
        raise BadSetting(
            f"A setting cannot be read: {error}.",
            hint="Give a list as JSON: ZOO_TRUSTED_HOSTS='[\"zoo.example.org\"]'",
        ) from error
    except ValueError as error:
        raise BadSetting(f"zoo.toml cannot be read: {error}") from error
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})
