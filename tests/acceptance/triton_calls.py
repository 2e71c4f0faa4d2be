"""Every method that tritonclient's HTTP client has, called against a server.

    python triton_calls.py URL MODEL PICTURE [TOKEN]

Runs in a process of its own, as gevent changes the one it is in. MODEL is a classifier of pictures.
Prints one JSON object: for each call what went wrong, or null; and the methods nothing has called.
"""

import asyncio
import json
import sys
import traceback
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

URL, MODEL, PICTURE = sys.argv[1:4]
HEADERS = {"Authorization": f"Bearer {sys.argv[4]}"} if sys.argv[4:] else {}
FILE = Path(PICTURE).read_bytes()
CALLED = set()
CALLS = []
STATE = {}


class Client(triton.InferenceServerClient):
    """The client, unchanged but for noting which of its methods are used, and sending the token."""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found
        CALLED.add(name)
        if not HEADERS or name in {"close", "register_plugin", "unregister_plugin", "plugin"}:
            return found
        return lambda *given, **more: found(*given, headers=dict(HEADERS), **more)


CLIENT = Client(URL, concurrency=4)


def call(run):
    CALLS.append(run)
    return run


def refuses(status, told, run, *given, **more):
    try:
        run(*given, **more)
    except InferenceServerException as error:
        found, message = error.status(), error.message()
    else:
        raise AssertionError(f"no {status}")
    assert (found, told in message) == (f"{status}", True), (found, message)


def images(array, *, binary_data=True):
    given = triton.InferInput("images", array.shape, "UINT8")
    return [given.set_data_from_numpy(array, binary_data=binary_data)]


def files(*each, shape=None):
    array = np.array(each, dtype=np.object_).reshape(shape or (len(each),))
    return [triton.InferInput("images", array.shape, "BYTES").set_data_from_numpy(array)]


def scores(result):
    return result.as_numpy("probabilities")


@call
def server():
    assert CLIENT.is_server_live()
    assert CLIENT.is_server_ready()
    told = CLIENT.get_server_metadata()
    assert told["name"] == "zoo"
    assert "statistics" in told["extensions"]


@call
def model():
    assert CLIENT.is_model_ready(MODEL)
    assert not CLIENT.is_model_ready("nothing")
    told = CLIENT.get_model_metadata(MODEL)
    STATE["version"] = told["versions"][0]
    STATE["labels"] = json.loads(told["properties"]["labels"])
    assert CLIENT.is_model_ready(MODEL, STATE["version"])
    assert not CLIENT.is_model_ready(MODEL, "f" * 40)
    (given,) = told["inputs"]
    assert (given["name"], given["datatype"]) == ("images", "UINT8")
    height, width = given["shape"][1:3]
    STATE["array"] = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), np.uint8)
    config = CLIENT.get_model_config(MODEL, STATE["version"])
    assert config["input"][0]["dims"] == given["shape"][1:]
    refuses(404, "nothing", CLIENT.get_model_metadata, "nothing")
    refuses(404, "nothing", CLIENT.get_model_config, "nothing")


@call
def infer_binary_and_json():
    results = [
        CLIENT.infer(MODEL, images(STATE["array"], binary_data=is_binary), outputs=outputs)
        for is_binary in (True, False)
        for outputs in (
            None,
            [triton.InferRequestedOutput("probabilities", binary_data=True)],
            [triton.InferRequestedOutput("probabilities", binary_data=False)],
        )
    ]
    STATE["scores"] = scores(results[0])
    assert STATE["scores"].shape == (3, len(STATE["labels"]))
    np.testing.assert_allclose(STATE["scores"].sum(axis=1), 1, atol=1e-5)
    for result in results[1:]:
        np.testing.assert_allclose(scores(result), STATE["scores"], atol=1e-6)


@call
def infer_says_who_answered():
    result = CLIENT.infer(
        MODEL,
        images(STATE["array"]),
        model_version=STATE["version"],
        request_id="mine",
        sequence_id=7,
        priority=3,
        timeout=60_000_000,
        parameters={"anything": "goes"},
    )
    told = result.get_response()
    assert told["id"] == "mine"
    assert (told["model_name"], told["model_version"]) == (MODEL, STATE["version"])
    assert result.get_output("probabilities")["datatype"] == "FP32"
    assert result.get_output("nothing") is None


@call
def infer_with_a_ref_in_the_name():
    result = CLIENT.infer(f"{MODEL}:main", images(STATE["array"]))
    assert result.get_response()["model_version"] == STATE["version"]
    assert CLIENT.is_model_ready(f"{MODEL}:main")


@call
def infer_compressed_both_ways():
    for there in (None, "gzip", "deflate"):
        for back in (None, "gzip", "deflate"):
            many = np.concatenate([STATE["array"]] * 40)
            result = CLIENT.infer(
                MODEL,
                images(many),
                request_compression_algorithm=there,
                response_compression_algorithm=back,
            )
            np.testing.assert_allclose(scores(result)[:3], STATE["scores"], atol=1e-5)


@call
def infer_files():
    for shape in ((1,), (1, 1)):
        result = CLIENT.infer(MODEL, files(FILE, shape=shape))
        assert scores(result).shape == (1, len(STATE["labels"]))
    STATE["file"] = scores(result)[0]
    many = scores(CLIENT.infer(MODEL, files(*[FILE] * 5)))
    np.testing.assert_allclose(many, [STATE["file"]] * 5, atol=1e-5)


@call
def infer_classes():
    best = int(STATE["file"].argmax())
    expected = f"{STATE['file'][best]:f}:{best}:{STATE['labels'][best]}"
    for is_binary in (True, False):
        wanted = triton.InferRequestedOutput("probabilities", binary_data=is_binary, class_count=2)
        found = scores(CLIENT.infer(MODEL, files(FILE), outputs=[wanted]))
        assert found.shape == (1, 2)
        first = found[0, 0]
        assert (first.decode() if isinstance(first, bytes) else first) == expected


@call
def infer_raw():
    given = triton.InferInput("images", STATE["array"][:1].shape, "UINT8")
    given.set_data_from_numpy(STATE["array"][:1])
    assert given.name() == "images"
    assert given.datatype() == "UINT8"
    assert list(given.shape()) == list(STATE["array"][:1].shape)
    body = STATE["array"][0].tobytes()
    headers = {"Inference-Header-Content-Length": 0} | HEADERS
    response = CLIENT._post(  # the client has no method for it
        f"v2/models/{MODEL}/infer", body, headers, None
    )
    assert response.status_code == 200
    result = triton.InferResult(response, verbose=False)
    np.testing.assert_allclose(scores(result)[0], STATE["scores"][0], atol=1e-5)


@call
def bodies_made_and_read_apart():
    CALLED.update({"generate_request_body", "parse_response_body"})  # they are static
    body, json_bytes = triton.InferenceServerClient.generate_request_body(images(STATE["array"]))
    headers = {"Inference-Header-Content-Length": json_bytes} | HEADERS
    response = CLIENT._post(f"v2/models/{MODEL}/infer", body, headers, None)
    result = triton.InferenceServerClient.parse_response_body(
        response.read(), header_length=response.get("Inference-Header-Content-Length")
    )
    np.testing.assert_allclose(scores(result), STATE["scores"], atol=1e-6)


@call
def async_infer():
    asked = [CLIENT.async_infer(MODEL, images(STATE["array"]), request_id=f"{n}") for n in range(8)]
    for number, one in enumerate(asked):
        result = one.get_result()
        assert result.get_response()["id"] == f"{number}"
        np.testing.assert_allclose(scores(result), STATE["scores"], atol=1e-5)


@call
def wrong_requests():
    array = STATE["array"]
    refuses(404, "nothing", CLIENT.infer, "nothing", images(array))
    refuses(404, MODEL, CLIENT.infer, MODEL, images(array), model_version="12345")
    refuses(400, "pictures are", CLIENT.infer, MODEL, images(array[:, :3]))
    refuses(400, "pictures are", CLIENT.infer, MODEL, images(array[0]))
    refuses(400, "no inputs", CLIENT.infer, MODEL, [])
    other = triton.InferInput("x", array.shape, "UINT8").set_data_from_numpy(array)
    refuses(400, "'x'", CLIENT.infer, MODEL, [other])
    refuses(400, "'x'", CLIENT.infer, MODEL, [*images(array), other])
    real = array.astype(np.float32)
    floats = triton.InferInput("images", real.shape, "FP32").set_data_from_numpy(real)
    refuses(400, "float32", CLIENT.infer, MODEL, [floats])
    wanted = [triton.InferRequestedOutput("scores")]
    refuses(400, "'scores'", CLIENT.infer, MODEL, images(array), outputs=wanted)
    refuses(422, "picture 1", CLIENT.infer, MODEL, files(b"no picture"))
    refuses(413, "129 pictures", CLIENT.infer, MODEL, files(*[FILE] * 129))
    refuses(504, "had passed", CLIENT.infer, MODEL, images(array), timeout=1)
    refuses(400, "'timeout'", CLIENT.infer, MODEL, images(array), timeout=-1)
    shared = triton.InferInput("images", array.shape, "UINT8")
    shared.set_shared_memory("region", array.nbytes)
    refuses(415, "shared memory", CLIENT.infer, MODEL, [shared])
    kept = triton.InferRequestedOutput("probabilities")
    kept.set_shared_memory("region", 100)
    refuses(415, "shared memory", CLIENT.infer, MODEL, images(array), outputs=[kept])
    kept.unset_shared_memory()
    CLIENT.infer(MODEL, images(array), outputs=[kept])


@call
def statistics():
    (told,) = CLIENT.get_inference_statistics(MODEL)["model_stats"]
    assert told["version"] == STATE["version"]
    assert told["inference_count"] > told["execution_count"] > 10
    assert told["inference_stats"]["success"]["count"] > 20
    assert told["inference_stats"]["fail"]["count"] >= 3
    (same,) = CLIENT.get_inference_statistics(MODEL, STATE["version"])["model_stats"]
    assert same == told
    assert told in CLIENT.get_inference_statistics()["model_stats"]


@call
def repository():
    def state():
        index = CLIENT.get_model_repository_index()
        return {one.get("state") for one in index if one["name"] == MODEL}

    assert state() == {"READY"}
    CLIENT.unload_model(MODEL)
    assert not CLIENT.is_model_ready(MODEL)
    assert state() == {"UNAVAILABLE"}
    CLIENT.load_model(MODEL)
    assert CLIENT.is_model_ready(MODEL)
    assert state() == {"READY"}
    CLIENT.unload_model(MODEL, unload_dependents=True)
    np.testing.assert_allclose(
        scores(CLIENT.infer(MODEL, images(STATE["array"]))), STATE["scores"], atol=1e-5
    )
    refuses(404, "nothing", CLIENT.load_model, "nothing")
    refuses(404, "nothing", CLIENT.unload_model, "nothing")
    refuses(400, "'config'", CLIENT.load_model, MODEL, config="{}")
    given = {"file:1/model.onnx": b"x"}
    refuses(400, "'file:1/model.onnx'", CLIENT.load_model, MODEL, config="{}", files=given)


@call
def what_is_not_served_says_so():
    refuses(415, "traced", CLIENT.get_trace_settings)
    refuses(415, "traced", CLIENT.get_trace_settings, MODEL)
    refuses(415, "traced", CLIENT.update_trace_settings, settings={"trace_level": ["OFF"]})
    refuses(415, "logged", CLIENT.get_log_settings)
    refuses(415, "logged", CLIENT.update_log_settings, {"log_info": True})
    for kind in ("system", "cuda"):
        assert getattr(CLIENT, f"get_{kind}_shared_memory_status")() == []
        assert getattr(CLIENT, f"get_{kind}_shared_memory_status")("region") == []
        getattr(CLIENT, f"unregister_{kind}_shared_memory")()
        getattr(CLIENT, f"unregister_{kind}_shared_memory")("region")
    refuses(415, "memory", CLIENT.register_system_shared_memory, "region", "/key", 100)
    refuses(415, "memory", CLIENT.register_cuda_shared_memory, "region", b"handle", 0, 100)


@call
def the_client_of_asyncio():
    async def ask():
        async with aio.InferenceServerClient(URL) as client:
            assert await client.is_server_live()
            assert await client.is_model_ready(MODEL, headers=dict(HEADERS))
            result = await client.infer(MODEL, images(STATE["array"]), headers=dict(HEADERS))
            np.testing.assert_allclose(scores(result), STATE["scores"], atol=1e-5)
            index = await client.get_model_repository_index(headers=dict(HEADERS))
            assert MODEL in {one["name"] for one in index}

    asyncio.run(ask())


def main():
    results = {}
    for run in CALLS:
        try:
            run()
        except Exception:  # noqa: BLE001  # whatever the client raises is told
            results[run.__name__] = traceback.format_exc()
        else:
            results[run.__name__] = None
    CLIENT.close()
    ours = {"plugin", "register_plugin", "unregister_plugin"}  # which ask a server nothing
    public = {name for name in dir(triton.InferenceServerClient) if not name.startswith("_")}
    missing = sorted(public - CALLED - ours)
    json.dump({"calls": results, "missing": missing}, sys.stdout)


main()
