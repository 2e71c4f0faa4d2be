"""Proving once more that a revision is what it says: bytes, shapes, numbers, what it computes."""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule

from zoo.domain.config import CONFIG, DENSE, GRAPH, QUANTIZATION, WEIGHTS, ModelConfig
from zoo.domain.job import Job
from zoo.domain.revision import Revision
from zoo.domain.weights import Weights
from zoo.errors import Invalid, ParityBroken, Unsupported, ZooError
from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.package import WEIGHTS as CAFFEMODELS
from zoo.formats.caffe.package import read_package
from zoo.formats.safetensors import read_safetensors
from zoo.networks.blobs import run_blobs
from zoo.networks.build import build_network, load_weights
from zoo.networks.classifier import Classifier
from zoo.networks.dense import measure_geometry
from zoo.networks.preprocess import find_mean_image
from zoo.operations import jobs
from zoo.operations.draft import SERVED_AS_IT_IS
from zoo.operations.fetch import get_revision, parse_config, verified_files
from zoo.operations.opening import Zoo
from zoo.operations.scrub import Check, scrub
from zoo.operations.surgery import read_dense
from zoo.serving.dense import open_dense
from zoo.worker.dense import compare_sizes, list_sizes
from zoo.worker.network import check_on_noise, check_plain
from zoo.worker.oracle import compare_with_opencv
from zoo.worker.progress import Progress
from zoo.worker.requantized import make_again
from zoo.worker.undone import find_convolutionalize

RELATIVE = 1e-4  # of a blob's largest value; what two orders of summing differ by is far less
INPUT, BLOB = "input:", "blob:"  # how a reference file names its arrays

Paths = Mapping[str, Path]


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Verify a revision or every byte, and end the job with what was found, sound or not.

    Raises:
        DigestMismatch, BlobNotFound: bytes of the revision are not those that were published.
    """
    if job.params["model"] is None:
        faults = scrub(
            zoo,
            quarantines=job.params["quarantines"],
            report=lambda done, total: progress.count("verify", "blobs", done, total),
        )
        jobs.succeed(zoo, progress.attempt, {"faults": [asdict(fault) for fault in faults]})
        return
    revision = get_revision(zoo, job.params["model"])
    checks = []
    for check in verify(zoo, revision):
        progress.say("verify", f"{check.name}: {check.found}")
        checks.append(asdict(check))
    jobs.succeed(zoo, progress.attempt, {"revision": revision.address, "checks": checks})


def verify(zoo: Zoo, revision: Revision, *, reference: Path | None = None) -> Iterator[Check]:
    """Check a revision: digests, shapes, finite numbers, torch = ONNX, OpenCV = ours, a reference.

    ``reference`` is an .npz of ``input:<blob>`` and ``blob:<blob>`` arrays, as another program
    computed them.

    Raises:
        DigestMismatch, BlobNotFound: bytes are not those that were published.
        PathNotFound, Invalid: the reference cannot be read.
    """
    paths = verified_files(zoo, revision)
    yield Check(name="digests", found=f"{len(paths)} files are what was published")
    if WEIGHTS not in paths:
        return
    weights = read_safetensors(paths[WEIGHTS])
    yield _check_numbers(weights)
    if CONFIG not in paths:
        yield Check(name="network", found="stored, not runnable: there is nothing to build")
        return
    config = parse_config(paths)
    if config.recipe.source.kind in SERVED_AS_IT_IS:
        yield Check(name="network", found="served as it came; there is no other to compare it with")
        return
    try:
        network = build_network(config.recipe, paths)
        load_weights(network, weights)
    except ZooError as error:
        yield Check(name="shapes", found=str(error), is_sound=False)
        return
    yield Check(name="shapes", found=f"{len(weights)} tensors fit the network")
    if DENSE in paths:
        yield _check_geometry(config, network, paths)
    yield _check_graph(config, network, weights, paths)
    if config.recipe.source.kind == "caffe" and not config.recipe.surgeries:
        yield _check_opencv(network, paths)
    if reference is not None:
        yield from check_reference(network, reference)


def check_reference(network: GraphModule, path: Path) -> Iterator[Check]:
    """Compare every blob that a reference names with ours, relative to its largest value.

    Raises:
        Invalid: the file is no .npz of plain arrays, or lacks an input of the network.
    """
    arrays = _read_reference(path)
    inputs = [
        str(node.meta.get("blob", node.name)) for node in network.graph.find_nodes(op="placeholder")
    ]
    missing = [name for name in inputs if INPUT + name not in arrays]
    if missing:
        raise Invalid(
            f"{path.name} has no {INPUT + missing[0]!r}, which the network reads.",
            hint="Name arrays `input:<blob>` and `blob:<blob>`.",
            arrays=sorted(arrays),
        )
    found = run_blobs(network, *(torch.from_numpy(arrays[INPUT + name].copy()) for name in inputs))
    for name, expected in arrays.items():
        if name.startswith(BLOB):
            blob = found.get(name.removeprefix(BLOB))
            yield _compare(name, expected, None if blob is None else blob.numpy())


def _read_reference(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: np.asarray(content[name], np.float32) for name in content.files}
    except (OSError, ValueError, EOFError) as error:
        raise Invalid(
            f"{path} cannot be read as an .npz of arrays: {error}",
            hint="Write it with numpy.savez: input:<blob> and blob:<blob>, float32.",
            path=str(path),
        ) from error


def _compare(name: str, expected: NDArray[np.float32], found: NDArray[np.float32] | None) -> Check:
    if found is None:
        return Check(name=name, found="the network has no such blob", is_sound=False)
    if found.shape != expected.shape:
        told = f"shape {found.shape}, the reference has {expected.shape}"
        return Check(name=name, found=told, is_sound=False)
    largest = float(np.abs(expected).max(initial=0)) or 1.0
    difference = float(np.abs(found - expected).max(initial=0)) / largest
    return Check(
        name=name,
        found=f"differs by {difference:.1e} of its largest value",
        is_sound=difference <= RELATIVE,
    )


def _check_numbers(weights: Weights) -> Check:
    """Count numbers that are none; one of them makes every answer one."""
    bad = [
        name
        for name in weights
        if weights[name].dtype.kind == "f" and not np.isfinite(weights[name]).all()
    ]
    if bad:
        told = f"not finite in {len(bad)} tensors: {', '.join(bad[:5])}"
        return Check(name="numbers", found=told, is_sound=False)
    return Check(name="numbers", found=f"all of {len(weights)} tensors are finite")


def _check_geometry(config: ModelConfig, network: GraphModule, paths: Paths) -> Check:
    """Measure again how a dense network's map lies over pictures."""
    surgery = find_convolutionalize(config.recipe)
    if surgery is None:
        return Check(name="geometry", found="the recipe makes no dense network", is_sound=False)
    geometry = measure_geometry(network, surgery)
    told = [read_dense(paths[DENSE])]
    if GRAPH in paths:
        told.append(open_dense(paths[GRAPH], device="cpu").geometry)
    is_sound = all(one == geometry for one in told)
    found = f"{geometry.height.formula} rows, {geometry.width.formula} columns"
    if not is_sound:
        found += f", which is not what {DENSE} or the graph says"
    return Check(name="geometry", found=found, is_sound=is_sound)


def _check_graph(
    config: ModelConfig, network: GraphModule, weights: Weights, paths: Paths
) -> Check:
    if QUANTIZATION in paths:
        return _check_quantized(config, network, weights, paths)
    name = "torch = onnx"
    if GRAPH not in paths:
        return Check(name=name, found="there is no model.onnx")
    try:
        difference = _compare_graph(config, network, weights, paths[GRAPH])
    except ParityBroken as error:
        return Check(name=name, found=str(error), is_sound=False)
    return Check(name=name, found=f"differ by {difference:.1e} at most, on noise")


def _check_quantized(
    config: ModelConfig, network: GraphModule, weights: Weights, paths: Paths
) -> Check:
    """Make a graph of fewer bits again: that it is near the network would prove little."""
    name = "weights = onnx"
    try:
        found, is_sound = make_again(config, network, weights, paths)
    except ZooError as error:
        return Check(name=name, found=str(error), is_sound=False)
    return Check(name=name, found=found, is_sound=is_sound)


def _compare_graph(
    config: ModelConfig, network: GraphModule, weights: Weights, graph: Path
) -> float:
    if (surgery := find_convolutionalize(config.recipe)) is not None:
        geometry = measure_geometry(network, surgery)
        sizes = list_sizes(geometry)
        compared = compare_sizes(network, graph, config.preprocessing, geometry, sizes)
        return compared.parity.max_rel_difference
    if not config.label_names:
        return check_plain(network, graph, config.pictures, weights).max_rel_difference
    mean = find_mean_image(config.preprocessing, weights)
    classifier = Classifier(network, config.preprocessing, mean)
    return check_on_noise(classifier, graph, config).max_abs_difference


def _check_opencv(network: GraphModule, paths: Paths) -> Check:
    name = "opencv = ours"
    if importlib.util.find_spec("cv2") is None:
        return Check(name=name, found="OpenCV is not installed; not compared")
    if not any(path.endswith(CAFFEMODELS) for path in paths):
        return Check(name=name, found="not compared: it was created here, without a .caffemodel")
    try:
        package = read_package(paths)
        difference = compare_with_opencv(
            network, package, read_blobs(package.weights.path, name=package.weights.name)
        )
    except Unsupported as error:
        return Check(name=name, found=f"not compared: {error}")
    return Check(
        name=name,
        found=f"outputs differ by {difference:.1e} of their largest value",
        is_sound=difference <= RELATIVE,
    )
