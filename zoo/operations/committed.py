"""Commits of checkpoints: what came file by file gets an import job, as an upload does."""

import logging

from zoo.domain.config import CARD, GRAPH
from zoo.domain.job import Job, JobKind
from zoo.domain.revision import MAIN, Blob, Revision
from zoo.errors import ZooError
from zoo.operations import jobs
from zoo.operations.import_ import GENERATED, is_importable
from zoo.operations.opening import Zoo

LOG = logging.getLogger(__name__)
COMMITTED = "committed"  # the branch, in the parameters of a job


def queue_import(zoo: Zoo, before: Revision, revision: Revision, *, ref: str) -> Job | None:
    """Queue the job that makes what main points to able to predict; None where there is nothing.

    The job takes what main points to when it runs, so of many commits in a row one job comes, and
    a card alone brings none. Whoever committed is told nothing of it.
    """
    is_card_alone = _contents(before) == _contents(revision)
    if ref != MAIN or revision.find_file(GRAPH) is not None or is_card_alone:
        return None
    try:
        if not is_importable(zoo, files_of(revision)):
            return None
        return jobs.enqueue(zoo, JobKind.IMPORT, {"model": revision.model, COMMITTED: ref})
    except ZooError as error:
        LOG.warning("no import of %s is queued: %s", revision.address, error)
        return None


def files_of(revision: Revision) -> dict[str, Blob]:
    """Give the files of a revision that an import reads.

    What an import before it kept of files that were committed anew since is left out.
    """
    paths = {file.path.lower() for file in revision.files}
    stale = {kept for path, kept in GENERATED.items() if path in paths}
    return {
        file.path: Blob(digest=file.digest, size_bytes=file.size_bytes)
        for file in revision.files
        if file.path not in stale
    }


def _contents(revision: Revision) -> dict[str, str]:
    return {file.path: file.digest for file in revision.files if file.path != CARD}
