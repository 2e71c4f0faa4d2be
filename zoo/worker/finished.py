"""What jobs keep in caches while they are not at their ends, and what is left when they are."""

import hashlib
import json
import shutil
from pathlib import Path

from zoo.domain.job import Job
from zoo.errors import JobNotFound
from zoo.operations import jobs
from zoo.operations.opening import Zoo


def job_folder(root: Path, job: Job) -> Path:
    """Give the folder of a job in a cache, which no other job ever has.

    Numbers alone do not tell jobs apart: a catalog that was restored gives some of them again.
    """
    told = [job.created_at.isoformat(), job.kind.value, job.account, job.params]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return root / f"{job.id}-{digest[:16]}"


def clear_finished(zoo: Zoo, root: Path) -> None:
    """Remove the folders of jobs that are finished, or are not in the catalog any more."""
    for folder in root.glob("*") if root.is_dir() else ():
        if _is_finished(zoo, folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_finished(zoo: Zoo, folder: Path) -> bool:
    number, mark, _ = folder.name.partition("-")
    if not number.isdecimal():
        return False
    try:
        job = jobs.get_job(zoo, int(number))
    except JobNotFound:
        return True
    # Earlier releases called folders by the number alone.
    return job.state.is_final or bool(mark and folder != job_folder(folder.parent, job))
