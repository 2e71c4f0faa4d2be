"""Importing checkpoints of this machine into another zoo."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from zoo.client.reading import Asking, model_path
from zoo.client.transfer import send_files
from zoo.domain.revision import File, check_file_path
from zoo.operations.import_ import Begun, ImportOptions


class Imports(Asking):
    """Checkpoints, sent and read there."""

    __slots__ = ()

    def begin_import(
        self,
        files: Mapping[str, Path],
        options: ImportOptions,
        *,
        report: Callable[[str, str, int, int], None],
    ) -> Begun:
        """Send the files of a checkpoint, gone on with where that broke off, and have them read."""
        at = f"{model_path(options.name)}/imports"
        measured = {_measure(name, path): path for name, path in files.items()}
        send_files(
            self.remote,
            options.name,
            measured,
            report=lambda *far: report("send", "bytes", *far),
        )
        wishes = options.wishes
        body = {
            "files": {file.path: file.digest for file in measured},
            "tag": options.tag,
            "architecture": wishes.architecture,
            "labels": wishes.labels,
            "preprocessing": wishes.preprocessing,
            "check": options.check,
        }
        begun = self.ask(Begun, "POST", at, body)
        if begun.revision is not None:
            self.checked(begun.revision)
        if (begun.revision is None) == (begun.job is None):
            raise self.remote.unlike("it tells neither a job nor a revision, or both")
        return begun


def _measure(name: str, path: Path) -> File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return File(path=check_file_path(name), digest=digest, size_bytes=file.tell())
