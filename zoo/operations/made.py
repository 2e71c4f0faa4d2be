"""Files that come of jobs: kept in the store, told in the job's result, found again by path."""

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.domain.job import JobState
from zoo.domain.revision import File
from zoo.errors import Conflict, FileNotFound
from zoo.operations import jobs
from zoo.operations.opening import Zoo

FILES = "files"  # in the result of a job
CODES_FILE = "codes.npz"


def keep_files(zoo: Zoo, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Keep the files that a job wrote; give what its result tells of them.

    Raises:
        StorageFull: there is no room.
    """
    kept = {path: zoo.blobs.put([data]) for path, data in files.items()}
    return {
        FILES: [
            {"path": path, "digest": blob.digest, "size_bytes": blob.size_bytes}
            for path, blob in sorted(kept.items())
        ]
    }


def list_files(result: Mapping[str, Any]) -> Iterable[File]:
    """List the files that the result of a job tells of."""
    return [File(**one) for one in result.get(FILES, ())]


def get_job_file(zoo: Zoo, number: int, path: str) -> File:
    """Give a file that came of a job.

    Raises:
        JobNotFound: there is no job of that number.
        Conflict: it has not succeeded.
        FileNotFound: no such file came of it.
    """
    job = jobs.get_job(zoo, number)
    if job.state is not JobState.SUCCEEDED or job.result is None:
        raise Conflict(
            f"Job {number} has no files to give: it is {job.state.value}.",
            hint=f"See how far it is: zoo jobs show {number}",
            job=number,
            state=job.state.value,
        )
    known = {file.path: file for file in list_files(job.result)}
    if path not in known:
        raise FileNotFound(
            f"No file {path!r} came of job {number}.",
            hint=f"See what came of it: zoo jobs show {number}",
            job=number,
            files=sorted(known),
        )
    return known[path]
