"""What jobs leave behind in caches when they have ended."""

import shutil
from pathlib import Path

from zoo.errors import JobNotFound
from zoo.operations import jobs
from zoo.operations.opening import Zoo


def clear_finished(zoo: Zoo, root: Path) -> None:
    """Remove the folders, each called as its job, of jobs that are finished."""
    for folder in root.glob("*") if root.is_dir() else ():
        if _is_finished(zoo, folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _is_finished(zoo: Zoo, name: str) -> bool:
    try:
        return name.isdecimal() and jobs.get_job(zoo, int(name)).state.is_final
    except JobNotFound:
        return True
