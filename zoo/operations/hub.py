"""Fetching a model's repository from a Hub, or from the cache of one."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from zoo.domain.revision import COMMIT, derive_name
from zoo.errors import Invalid, NotFound, Unsupported

PREFIX = "hub:"
WANTED = [
    "config.json",
    "preprocessor_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "README.md",
    "LICENSE*",
]
# Only where there is no safetensors: read by the restricted reader, like any other.
OTHERWISE = ["pytorch_model*.bin", "pytorch_model.bin.index.json", "*.pth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A model on a Hub."""

    name: str  # "owner/name"
    revision: str | None  # branch, tag or commit

    @property
    def model(self) -> str:
        """What the model is called here: the repository's name without its owner."""
        return derive_name(self.name.rpartition("/")[2], otherwise="model")


def read_repository(text: str) -> Repository:
    """Read ``owner/name`` or ``owner/name@revision``.

    Raises:
        Invalid: it is neither.
    """
    name, at, revision = text.partition("@")
    if not name or name.count("/") > 1 or (at and not revision):
        raise Invalid(
            f"{text!r} is no repository of a Hub.",
            hint="Write hub:owner/name or hub:owner/name@revision.",
            repository=text,
        )
    return Repository(name=name, revision=revision or None)


def fetch_repository(repository: Repository) -> Path:
    """Fetch what an importer needs and give the folder; the Hub is the one HF_ENDPOINT names.

    What lies in the Hub's cache already is not fetched again, and with HF_HUB_OFFLINE=1 nothing is.

    Raises:
        Unsupported: huggingface_hub is not installed.
        NotFound: the Hub has no such repository or revision, or does not answer.
    """
    if find_spec("huggingface_hub") is None:
        raise Unsupported(
            "Importing from a Hub needs huggingface_hub, which is not installed.",
            hint="Run: pip install 'zoo[hub]'",
        )
    # A second to import, for this command alone.
    from huggingface_hub import errors, snapshot_download  # noqa: PLC0415

    try:
        folder = Path(
            snapshot_download(repository.name, revision=repository.revision, allow_patterns=WANTED)
        )
        if not any(folder.glob("*.safetensors")):
            snapshot_download(
                repository.name, revision=repository.revision, allow_patterns=OTHERWISE
            )
    except errors.HFValidationError as error:
        raise Invalid(str(error), hint="Write hub:owner/name@revision.") from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise NotFound(
            f"The Hub gives no repository {repository.name!r}: {error}",
            hint="Check its name and revision, HF_ENDPOINT, and HF_TOKEN for a private one.",
            repository=repository.name,
        ) from error
    return folder


def find_commit(folder: Path) -> str | None:
    """Give the commit that a folder of the Hub's cache is the snapshot of."""
    return folder.name if COMMIT.fullmatch(folder.name) else None
