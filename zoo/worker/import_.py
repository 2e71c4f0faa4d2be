"""The body of an import: build the network, export its graph, prove it, publish the revision."""

from zoo.domain.config import GRAPH, PARITY, WEIGHTS
from zoo.domain.job import Job
from zoo.domain.revision import MAIN, Blob
from zoo.operations.fetch import parse_config
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish, put_json
from zoo.worker.network import build_classifier, check_on_noise, export
from zoo.worker.progress import Progress


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Make a prepared package able to predict, and publish it.

    Raises:
        Unsupported: a layer cannot be exported, or the network is no classifier.
        ParityBroken: the graph does not compute what the network computes.
    """
    files = {
        path: Blob(digest=digest, size_bytes=size_bytes)
        for path, (digest, size_bytes) in job.params["files"].items()
    }
    paths = {path: zoo.blobs.local_path(blob.digest) for path, blob in files.items()}
    progress.say("build", f"building the network of {job.params['model']}")
    config = parse_config(paths)
    classifier = build_classifier(config, paths)
    progress.say("export", "writing the graph and comparing it with the network")
    graph = export(classifier, config, weights_digest=files[WEIGHTS].digest)
    parity = check_on_noise(classifier, graph, config)
    progress.check()
    files |= {GRAPH: zoo.blobs.put([graph]), PARITY: put_json(zoo, parity.as_json())}
    publish(
        zoo,
        Publication(
            model=job.params["model"],
            files=files,
            message="import",
            summary=job.params["summary"],
            refs=(MAIN, tag) if (tag := job.params["tag"]) else (MAIN,),
            attempt=progress.attempt,
        ),
    )
