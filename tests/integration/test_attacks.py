"""What has been done to other registries, tried here; the numbers are those of the classes below.

1 paths, 2 links in archives, 3 requests by the server, 4 default credentials, 5 forgotten routes,
6 scripts in what is served, 7 other sites, 8 code in checkpoints, 9 theft by digest, 10 bombs,
11 leaks of tokens, 12 races, 13 uploads that are not what they say, 14 names, 15 job parameters.
"""

import base64
import hashlib
import io
import json
import pickle
import socket
import struct
import tarfile
import time
import unicodedata
import zipfile
from pathlib import Path
from urllib.parse import quote

import h5py
import lz4.frame
import onnx
import pytest

from zoo.domain.access import Role
from zoo.domain.revision import Blob, File, Revision
from zoo.operations.accounts import create_token, list_tokens
from zoo.operations.commit import Change, _apply
from zoo.operations.fetch import get_revision
from zoo.operations.publish import Publication, publish
from zoo.operations.scrub import scrub
from zoo.web.hub import lfs

SECRET = b"what nobody else may read" * 50_000


@pytest.fixture
def app(make_app):
    return make_app(access="tokens")


@pytest.fixture
def zoo(app):
    return app.extensions["zoo"]


class Asker:
    """A client of the app with the token of an account."""

    def __init__(self, client, secret, account):
        self.client, self.secret, self.account = client, secret, account

    def ask(self, method, path, **options):
        headers = {"Authorization": f"Bearer {self.secret}"} | options.pop("headers", {})
        return self.client.open(path, method=method, headers=headers, **options)

    def create(self, name, **more):
        body = {"name": name, "organization": self.account, **more}
        return self.ask("POST", "/api/repos/create", json=body)

    def commit(self, name, *lines, ref="main", parent=None, method="POST"):
        header = {"summary": "a commit"} | ({"parentCommit": parent} if parent else {})
        every = [{"key": "header", "value": header}, *lines]
        data = b"\n".join(json.dumps(line).encode() for line in every)
        return self.ask(method, f"/api/models/{name}/commit/{ref}", data=data)

    def batch(self, name, digest, size, operation="upload", **more):
        body = {"operation": operation, "objects": [{"oid": digest, "size": size}], **more}
        return self.ask("POST", f"/{name}.git/info/lfs/objects/batch", json=body)

    def upload(self, name, data, sent=None, digest=None):
        """Send bytes by LFS, announced as some and sent as others."""
        digest = digest or hashlib.sha256(data).hexdigest()
        told = self.batch(name, digest, len(data)).json["objects"][0]
        href = told["actions"]["upload"]["href"].partition("/lfs/")[2]
        return self.client.put(f"/lfs/{href}", data=data if sent is None else sent)


def file_line(path, content=b"x"):
    value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"key": "file", "value": value}


def lfs_line(path, digest, size=1):
    return {
        "key": "lfsFile",
        "value": {"path": path, "algo": "sha256", "oid": digest, "size": size},
    }


@pytest.fixture
def as_account(client, zoo):
    def make(account, role=Role.ADMIN):
        return Asker(client, create_token(zoo, account, role=role).secret, account)

    return make


@pytest.fixture
def ada(as_account):
    asker = as_account("ada")
    assert asker.create("net").status_code == 200
    return asker


@pytest.fixture
def eve(as_account):
    asker = as_account("eve")
    assert asker.create("net").status_code == 200
    return asker


def stored(zoo):
    return {blob.digest for blob in zoo.blobs.list_blobs()}


BAD_PATHS = [
    "../escape",
    "a/../../escape",
    "/etc/passwd",
    "..\\escape",
    "C:/escape",
    "file:///etc/passwd/..",
    "a//b",
    "./a",
    "a/.",
    "a\x00b",
    "a\nb",
    "a\x1b[2J",
    "\u202egnp.exe",
    "",
    "x" * 1025,
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_1_no_file_of_a_commit_leaves_its_revision(ada, zoo, path):
    answer = ada.commit("ada/net", file_line(path))
    assert answer.status_code in {400, 422}, answer.text
    assert get_revision(zoo, "ada/net").files == ()


@pytest.mark.parametrize(
    "path",
    [
        "../../zoo.db",
        "..%2f..%2fzoo.db",
        "%2e%2e/%2e%2e/zoo.db",
        "%252e%252e%252fzoo.db",
        "..%5c..%5czoo.db",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "file%3a%2f%2f%2fetc%2fpasswd",
        "a%00b",
        "%c0%ae%c0%ae/zoo.db",
    ],
)
@pytest.mark.parametrize("route", ["/ada/net/resolve/main/{}", "/v1/models/ada/net/files/{}"])
def test_1_no_address_leads_out_of_a_revision(ada, route, path):
    assert ada.ask("GET", route.format(path)).status_code in {308, 400, 404, 422}


@pytest.mark.parametrize(
    "ref", ["..%2f..%2fzoo.db", "%2e%2e", "main%00", "main%0d%0aX: y", "%252f"]
)
def test_1_no_ref_leads_out_of_a_model(ada, ref):
    assert ada.ask("GET", f"/ada/net/resolve/{ref}/README.md").status_code in {400, 404, 422}
    assert ada.ask("POST", f"/api/models/ada/net/branch/{ref}", json={}).status_code in {
        400,
        404,
        422,
    }


def archive(kind, member):
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as packed:
            packed.writestr(member, b"x")
    else:
        with tarfile.open(fileobj=data, mode="w") as packed:
            info = tarfile.TarInfo("class/link")
            info.type, info.linkname = kind, member
            packed.addfile(info)
    return data.getvalue()


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("zip", "../../escape.png"),
        ("zip", "/etc/escape.png"),
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "../../etc/passwd"),
    ],
)
def test_2_links_and_slips_in_archives_read_and_write_nothing(as_account, zoo, kind, member):
    root = as_account("root")
    answer = root.ask("POST", "/v1/datasets?name=root/data", data=archive(kind, member))
    assert answer.status_code == 422
    assert b"root:" not in answer.data
    assert not list(zoo.settings.home.rglob("escape*"))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/x", "file:///etc/passwd", "hub:ada/net", "ada/net@http://x"]
)
def test_3_the_server_asks_no_address_that_a_caller_names(ada, address):
    body = {"model": address, "dataset": address, "name": "ada/out"}
    assert ada.ask("POST", "/v1/jobs", json=body).status_code in {400, 404, 422}


@pytest.fixture
def calls(monkeypatch):
    """The addresses that this process tries to reach."""
    tried = []

    def refuse(_self, address):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: refuse(None, given[:2]))
    return tried


ELSEWHERE = "http://169.254.169.254/latest/meta-data"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/jobs", {"model": ELSEWHERE, "dataset": "x"}),
        ("POST", "/v1/models/ada/net/surgeries", {"kind": "dense", "name": ELSEWHERE}),
        ("POST", "/api/repos/create", {"name": "mirror", "organization": "ada", "url": ELSEWHERE}),
        ("POST", "/api/repos/move", {"fromRepo": "ada/net", "toRepo": ELSEWHERE}),
        ("POST", "/api/models/ada/net/branch/b", {"startingPoint": ELSEWHERE}),
        ("POST", "/v1/datasets?name=" + quote(ELSEWHERE, safe=""), None),
        ("GET", "/v1/models/ada/net/compare?other=" + quote(ELSEWHERE, safe=""), None),
        ("GET", "/" + ELSEWHERE, None),
    ],
)
def test_3_no_address_in_a_request_is_called(ada, calls, method, path, body):
    ada.ask(method, path, json=body)
    assert calls == []


def test_3_no_address_in_a_file_is_called(ada, calls):
    card = f"---\nbase_model: {ELSEWHERE}\ncaffemodel_url: {ELSEWHERE}\n---\n![x]({ELSEWHERE})"
    config = {"architecture": "resnet18", "pretrained_cfg": {"url": ELSEWHERE, "hf_hub_id": "a/b"}}
    lines = [
        file_line("README.md", card.encode()),
        file_line("config.json", json.dumps(config).encode()),
        file_line("deploy.prototxt", f'name: "{ELSEWHERE}" include: "{ELSEWHERE}"'.encode()),
    ]
    assert ada.commit("ada/net", *lines).status_code == 200
    for path in ("/api/models/ada/net", "/v1/models/ada/net", "/api/models?full=1&author=ada"):
        assert ada.ask("GET", path).status_code == 200
    assert calls == []


REBOUND = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1:80@evil.example",
    "evil.example#localhost",
    "0x7f000001",
    "2130706433",
    "127.1",
    "localhost.",
    "192.168.0.7",
    "[::1",
    "",
]


@pytest.mark.parametrize("host", REBOUND)
@pytest.mark.parametrize("path", ["/v1/models", "/api/models", "/docs", "/v1/health", "/nothing"])
def test_3_a_name_that_was_led_to_this_machine_reads_nothing(client_of_open, host, path):
    assert client_of_open.get(path, headers={"Host": host}).status_code == 403


@pytest.fixture
def client_of_open(make_app):
    """A client of an app that asks nobody on this machine for a token."""
    return make_app(access="auto").test_client()


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"])
def test_3_whoever_comes_through_a_proxy_is_not_of_this_machine(client_of_open, header):
    """A proxy that was put in front and forgotten in the settings opens the zoo to nobody."""
    assert client_of_open.get("/v1/models").status_code == 200
    through = {header: "203.0.113.7"}
    assert client_of_open.get("/v1/models", headers=through).status_code == 401
    body = {"name": "net"}
    assert client_of_open.post("/api/repos/create", json=body, headers=through).status_code == 401


@pytest.mark.parametrize("secret", ["admin", "password", "zoo", "zoo_", "changeme", "hf_xxx"])
def test_4_there_are_no_default_credentials(client, zoo, secret):
    assert list_tokens(zoo) == []
    basic = base64.b64encode(f"admin:{secret}".encode()).decode()
    for header in (f"Bearer {secret}", f"Basic {basic}"):
        assert client.get("/v1/models", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/repos/delete"),
        ("POST", "/api/repos/move"),
        ("PUT", "/api/models/ada/net/settings"),
        ("POST", "/api/models/ada/net/commit/main"),
        ("POST", "/api/models/ada/net/preupload/main"),
        ("GET", "/api/models/ada/net/xet-write-token/main"),
        ("POST", "/ada/net.git/info/lfs/objects/batch"),
        ("DELETE", "/v1/models/ada/net"),
        ("PATCH", "/v1/models/ada/net"),
        ("PUT", "/v1/models/ada/net/refs/production"),
    ],
)
def test_5_no_route_changes_what_belongs_to_another(ada, eve, zoo, method, path):
    del ada
    body = {
        "name": "net",
        "organization": "ada",
        "fromRepo": "ada/net",
        "toRepo": "eve/taken",
        "visibility": "private",
        "operation": "upload",
        "objects": [],
        "files": [],
        "revision": "main",
        "is_private": True,
    }
    if path.startswith("/v1"):
        body = {"revision": "main"} if "refs" in path else {"is_private": True}
    before = get_revision(zoo, "ada/net")
    if path.endswith("/commit/main"):
        assert eve.commit("ada/net", file_line("a")).status_code == 403
    else:
        assert eve.ask(method, path, json=body).status_code == 403
    assert eve.client.open(path, method=method, json=body).status_code == 401
    assert get_revision(zoo, "ada/net") == before


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.js", "x.xml"])
def test_6_no_file_of_a_model_runs_in_a_browser(ada, name):
    script = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>1</script></svg>"
    assert ada.commit("ada/net", file_line(name, script)).status_code == 200
    for path in (f"/ada/net/resolve/main/{name}", f"/v1/models/ada/net/files/{name}"):
        answer = ada.ask("GET", path)
        assert answer.data == script
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_7_no_page_of_another_site_changes_anything(ada, zoo, headers):
    data = json.dumps({"name": "csrf", "organization": "ada"})
    answer = ada.ask(
        "POST", "/api/repos/create", data=data, content_type="text/plain", headers=headers
    )
    assert answer.status_code == 403
    assert get_revision(zoo, "ada/net").model == "ada/net"


class Bomb:
    def __reduce__(self):
        return (open, ("/tmp/zoo-was-here", "w"))


@pytest.mark.parametrize(
    "card",
    [
        "---\nx: !!python/object/apply:os.system ['true']\n---\n",
        "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n",
        "---\n" + "[" * 5000 + "\n---\n",
    ],
    ids=["object", "aliases", "nested"],
)
def test_8_no_card_runs_code_or_grows(ada, card):
    assert ada.ask("POST", "/api/validate-yaml", json={"content": card}).status_code == 400
    assert ada.commit("ada/net", file_line("README.md", card.encode())).status_code == 200
    assert ada.ask("GET", "/api/models/ada/net").json["cardData"] == {}


@pytest.mark.parametrize("name", ["model.pth", "pytorch_model.bin", "model.pt"])
def test_8_no_pickle_is_run(ada, name):
    data = {"file": (io.BytesIO(pickle.dumps(Bomb())), name)}
    answer = ada.ask("POST", "/v1/models/ada/other/revisions", data=data)
    assert answer.status_code in {201, 422}, answer.text
    assert not Path("/tmp/zoo-was-here").exists()


def reduced(function, *arguments):
    """A pickle that calls a function when it is loaded."""

    class Call:
        def __reduce__(self):
            return function, arguments

    return pickle.dumps(Call())


def packed_pickle(data):
    """A checkpoint as torch.save writes it, with a pickle of ours."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as packed:
        packed.writestr("archive/data.pkl", data)
        packed.writestr("archive/version", b"3")
    return octets.getvalue()


def linked_hdf5(path):
    """A snapshot whose weights lie in another file."""
    octets = io.BytesIO()
    with h5py.File(octets, "w") as file:
        file["data/ip"] = h5py.ExternalLink(str(path), "/data/ip")
        stored = [(str(path), 0, 8)]
        file.create_dataset("data/conv/0", (1,), dtype="f8", external=stored)
    return octets.getvalue()


def linked_onnx(location):
    """A graph whose weights lie in another file."""
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    value = onnx.helper.make_tensor_value_info
    sides = [value("x", 1, [2])], [value("y", 1, [2])]
    graph = onnx.helper.make_graph([node], "g", *sides, [tensor])
    return onnx.helper.make_model(graph).SerializeToString()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("model.pth", lambda mark: packed_pickle(reduced(open, str(mark), "w"))),
        ("model.pt", lambda mark: packed_pickle(reduced(eval, f"open({str(mark)!r}, 'w')"))),
        ("pytorch_model.bin", lambda mark: reduced(exec, f"open({str(mark)!r}, 'w')")),
        ("net.caffemodel.h5", lambda mark: linked_hdf5(mark.with_name("secret"))),
        ("model.safetensors", lambda mark: reduced(open, str(mark), "w")),
        ("net.caffemodel", lambda mark: reduced(open, str(mark), "w")),
        ("model.onnx", lambda mark: reduced(open, str(mark), "w")),
    ],
)
def test_8_nothing_in_a_checkpoint_is_run_or_followed(ada, tmp_path, name, make):
    mark = tmp_path / "was-here"
    (tmp_path / "secret").write_bytes(b"\0\0\0\0\0\0\xf0?" + SECRET[:100])
    data = {"file": (io.BytesIO(make(mark)), name)}
    answer = ada.ask("POST", "/v1/models/ada/other/revisions", data=data)
    assert answer.status_code in {201, 422}, answer.text
    assert not mark.exists()
    assert SECRET[:20].decode() not in answer.text
    assert answer.status_code == 422 or answer.json["job"] is None


@pytest.mark.parametrize("location", ["/etc/passwd", "../../zoo.db", "../signing.key", "w.bin"])
def test_8_a_graph_reads_no_file_that_it_names(ada, zoo, location):
    """The server opens no graph whose weights lie elsewhere, whatever it was published as."""
    ada.commit("ada/net", file_line("model.onnx", linked_onnx(location)))
    picture = {"file": (io.BytesIO(b"no picture"), "x.png")}
    answer = ada.ask("POST", "/v1/models/ada/net/predict", data=picture)
    assert answer.status_code in {409, 415, 422}, answer.text
    assert "root:" not in answer.text
    data = {"file": (io.BytesIO(linked_onnx(location)), "net.onnx")}
    sent = ada.ask("POST", "/v1/models/ada/other/revisions", data=data)
    assert sent.status_code in {201, 415, 422}
    del zoo


@pytest.mark.parametrize(
    "tag", ["!!python/name:os.system", "!!python/module:subprocess", "!!python/object/new:dict {}"]
)
def test_8_no_tag_of_a_card_is_python(ada, tag):
    card = f"---\nlicense: {tag}\n---\n"
    assert ada.ask("POST", "/api/validate-yaml", json={"content": card}).status_code == 400


@pytest.fixture
def secret_digest(ada):
    """The digest of a file of ada's private model."""
    assert ada.create("secret", private=True).status_code == 200
    assert ada.upload("ada/secret", SECRET).status_code == 200
    digest = hashlib.sha256(SECRET).hexdigest()
    assert ada.commit("ada/secret", lfs_line("s", digest)).status_code == 200
    return digest


def test_9_naming_the_digest_of_a_private_file_does_not_give_it(ada, eve, secret_digest):
    for size in (len(SECRET), 1, 0):
        assert eve.commit("eve/net", lfs_line("s", secret_digest, size)).status_code == 403
    assert ada.ask("GET", "/eve/net/resolve/main/s").status_code == 404


def test_9_lfs_does_not_tell_whether_somebody_has_a_file(eve, secret_digest):
    for digest in (secret_digest, "0" * 64):
        told = eve.batch("eve/net", digest, len(SECRET)).json["objects"][0]
        assert "upload" in told["actions"]
    told = eve.batch("eve/net", secret_digest, len(SECRET), "download").json["objects"][0]
    assert told["error"]["code"] == 404


def test_9_a_signed_address_is_good_for_its_bytes_and_its_purpose_only(ada, eve, secret_digest):
    told = eve.batch("eve/net", secret_digest, len(SECRET)).json["objects"][0]
    signed = told["actions"]["upload"]["href"].partition("/lfs/")[2]
    assert eve.client.get(f"/lfs/{signed}").status_code == 403
    wrong = bytes(len(SECRET))
    assert eve.client.put(f"/lfs/{signed}", data=wrong).status_code == 422
    for other in (signed[:-1], signed[1:], f"x{signed}", "x", signed.replace(".", "", 1)):
        assert eve.client.put(f"/lfs/{other}", data=SECRET).status_code == 403
    token = eve.ask("GET", "/api/models/eve/net/xet-write-token/main").json["accessToken"]
    assert eve.client.put(f"/lfs/{token}", data=SECRET).status_code == 403
    assert ada.ask("GET", "/ada/secret/resolve/main/s").data == SECRET


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([{"key": "file", "value": {"path": "a", "content": "A" * (2**21 + 10)}}], 413),
        ([{"key": "header"}], 400),
        ([[]], 400),
        ([{"key": "file", "value": {"path": "a", "content": "@", "encoding": "base64"}}], 400),
        ([{"key": "file", "value": {"path": 7, "content": ""}}], 400),
        ([{"key": "exec", "value": {}}], 400),
    ],
    ids=range(6),
)
def test_10_commits_that_are_too_large_or_no_commits_are_refused(ada, zoo, lines, status):
    assert ada.commit("ada/net", *lines).status_code == status
    assert get_revision(zoo, "ada/net").files == ()


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"{", b"1", b'""'])
def test_10_json_that_is_none_or_too_deep_is_refused(ada, body):
    for path in ("/api/repos/create", "/ada/net.git/info/lfs/objects/batch"):
        assert ada.ask("POST", path, data=body).status_code == 400


def test_10_a_chunk_that_unpacks_to_a_gigabyte_is_not_unpacked(ada):
    token = ada.ask("GET", "/api/models/ada/net/xet-write-token/main").json["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    packed = lz4.frame.compress(bytes(2**28))
    for raw_bytes in (2**20, 2**24 - 1):
        header = b"\0" + len(packed).to_bytes(3, "little") + b"\1" + raw_bytes.to_bytes(3, "little")
        answer = ada.client.post(
            f"/xet/v1/xorbs/default/{'a' * 64}", data=header + packed, headers=headers
        )
        assert answer.status_code in {200, 422}
    for shard in (b"", bytes(1000), b"\xff" * 500):
        answer = ada.client.post("/xet/v1/shards", data=shard, headers=headers)
        assert answer.status_code in {200, 422}


def xet(ada):
    """Ways to send a xorb and a shard as a client does."""
    token = ada.ask("GET", "/api/models/ada/net/xet-write-token/main").json["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}

    def send(path, data):
        return ada.client.post(f"/xet/v1/{path}", data=data, headers=headers)

    return send


def chunk(octets, raw_bytes, scheme=1):
    stored, raw = len(octets).to_bytes(3, "little"), raw_bytes.to_bytes(3, "little")
    return b"\0" + stored + bytes([scheme]) + raw + octets


def shard(digest, *, segments, told_bytes, last):
    """A shard of one file, made of the chunks of one xorb again and again."""
    words = struct.pack("<4Q", *(int(digest[at : at + 16], 16) for at in range(0, 64, 16)))
    segment = bytes(32) + struct.pack("<IIII", 0, told_bytes, 0, last)
    head = bytes(32) + struct.pack("<II", 1 << 30, segments) + bytes(8)
    return bytes(48) + head + segment * segments + words + bytes(16) + b"\xff" * 48


def test_10_a_file_of_chunks_is_not_larger_than_its_shard_says(ada, zoo):
    """A few kilobytes that unpack to megabytes, named again and again, would fill any disk."""
    send, before = xet(ada), stored(zoo)
    packed = lz4.frame.compress(bytes(2**20))
    assert send(f"xorbs/default/{'0' * 64}", chunk(packed, 2**20) * 8).status_code == 200
    for told_bytes in (0, 1, 2**20):
        data = shard("a" * 64, segments=3, told_bytes=told_bytes, last=8)
        answer = send("shards", data)
        assert answer.status_code == 422
        assert "announced" in answer.text
    assert stored(zoo) == before


@pytest.mark.parametrize(
    "data", [chunk(b"", 1, 0) * 20_000, chunk(b"x", 2**20 + 1), chunk(b"x", 0)], ids=range(3)
)
def test_10_a_xorb_of_too_many_or_too_large_chunks_is_not_kept(ada, zoo, data):
    assert xet(ada)(f"xorbs/default/{'1' * 64}", data).status_code == 422
    assert not list((zoo.settings.home / "cache").rglob("*.xorb"))


@pytest.mark.parametrize(
    ("count", "size"), [(1, 10**18), (1, 2**34 + 1), (3000, 2**34), (1, 2**63)], ids=str
)
def test_10_no_more_addresses_are_made_than_parts_are_taken(make_app, as_account, count, size):
    asker = as_account("ada")
    asker.client = make_app(access="tokens", upload_part_bytes=2**20).test_client()
    asker.create("net")
    objects = [{"oid": f"{one:064x}", "size": size} for one in range(count)]
    body = {"operation": "upload", "objects": objects, "transfers": ["basic", "multipart"]}
    answer = asker.ask("POST", "/ada/net.git/info/lfs/objects/batch", json=body)
    assert answer.status_code == 413


def test_10_parts_sent_again_and_again_take_the_room_of_one(make_app, as_account, zoo):
    asker = as_account("ada")
    asker.client = make_app(access="tokens", upload_part_bytes=2**20).test_client()
    asker.create("net")
    told = asker.batch("ada/net", "a" * 64, 2**20 + 1, transfers=["basic", "multipart"]).json
    part = told["objects"][0]["actions"]["upload"]["header"]["1"].partition("/lfs/")[2]
    for number in range(5):
        data = bytes([number]) * 2**20
        assert asker.client.put(f"/lfs/{part}", data=data).status_code == 200
    parts = list((zoo.settings.home / "cache" / "parts").rglob("1-*"))
    assert [path.stat().st_size for path in parts] == [2**20]


def test_10_who_has_no_room_left_puts_nothing_on_the_disk(make_app, as_account):
    """Each refused upload would otherwise lie there for a day, and any number of them."""
    asker = as_account("ada")
    app = make_app(access="tokens", quota_bytes=1000)
    asker.client = app.test_client()
    asker.create("net")
    files = [bytes([one]) * 900 for one in range(3)]
    told = [asker.batch("ada/net", hashlib.sha256(one).hexdigest(), 900).json for one in files]
    hrefs = [one["objects"][0]["actions"]["upload"]["href"].partition("/lfs/")[2] for one in told]
    sent = [
        asker.client.put(f"/lfs/{href}", data=one) for href, one in zip(hrefs, files, strict=True)
    ]
    assert [answer.status_code for answer in sent] == [200, 413, 413]
    assert asker.commit("ada/net", file_line("a", b"x" * 200)).status_code == 413
    assert stored(app.extensions["zoo"]) == {hashlib.sha256(files[0]).hexdigest()}


def test_10_what_is_not_finished_takes_room_too(make_app, as_account):
    """Uploads that are begun and never ended would go round every quota."""
    asker = as_account("ada")
    app = make_app(access="tokens", quota_bytes=2**24, upload_part_bytes=2**20)
    asker.client = app.test_client()
    asker.create("net")
    size = 2**23 + 2**20

    def begin(number):
        path = f"/v1/models/ada/net/uploads/{number:064x}?size_bytes={size}"
        return asker.ask("PUT", path, data=bytes(size - 1)).status_code

    assert [begin(number) for number in range(4)] == [200, 200, 413, 413]
    assert xet(asker)(f"xorbs/default/{'1' * 64}", chunk(b"x", 1, 0)).status_code == 413
    told = asker.batch("ada/net", "a" * 64, 2**20 + 1, transfers=["basic", "multipart"]).json
    part = told["objects"][0]["actions"]["upload"]["header"]["1"].partition("/lfs/")[2]
    assert asker.client.put(f"/lfs/{part}", data=bytes(2**20)).status_code == 413
    assert asker.commit("ada/net", file_line("a")).status_code == 200


def test_10_who_may_not_write_puts_nothing_on_the_disk(ada, eve, zoo):
    before = stored(zoo)
    data = {"file": (io.BytesIO(SECRET[:1000]), "x.bin")}
    assert eve.ask("POST", "/v1/models/ada/net/revisions", data=data).status_code == 403
    path = f"/v1/models/ada/net/uploads/{'a' * 64}?size_bytes=5"
    assert eve.ask("PUT", path, data=b"12345").status_code == 403
    assert stored(zoo) == before
    del ada


def test_10_a_commit_that_deletes_everything_by_name_is_quick(zoo):
    """Comparing each file with each deletion would take as long as both together squared."""
    count = 20_000
    blob = Blob(digest="0" * 64, size_bytes=0)
    head = Revision(
        model="net",
        id="0" * 40,
        files=tuple(File(path=f"a/{n}", digest="0" * 64, size_bytes=0) for n in range(count)),
        message="",
        created_at=zoo.clock(),
    )
    gone = tuple(f"a/{n}" for n in range(1, count)) + tuple(f"b{n}/" for n in range(count))
    before = time.process_time()
    left = _apply(Change(model="net", message="", deleted=gone, added={"c": blob}), head)
    assert set(left) == {"a/0", "c"}
    assert time.process_time() - before < 10  # 400,000,000 comparisons take minutes


def test_10_folders_are_listed_a_page_at_a_time_each_once(ada):
    """A file in 500 folders is 500 entries of 500 letters; many of them would be gigabytes."""
    lines = [file_line("/".join([f"{n:03}", *["d"] * 500])) for n in range(10)]
    assert ada.commit("ada/net", *lines).status_code == 200
    seen, url = [], "/api/models/ada/net/tree/main?recursive=true&limit=1000"
    while url:
        answer = ada.ask("GET", url)
        seen += [entry["path"] for entry in answer.json]
        link = answer.headers.get("Link")
        url = link[1 : link.index(">")].removeprefix("http://localhost") if link else None
    assert len(seen) == len(set(seen)) == 10 * 501
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ({"summary": "x" * 20_000}, file_line("a")),
        ({"summary": "x", "description": "x" * 20_000}, file_line("a")),
        ({"summary": "\ud800"}, file_line("a")),
        ({"summary": "x"}, {"key": "file", "value": {"path": "a", "content": "\udfff"}}),
        ({"summary": "x"}, file_line("a\ud800")),
    ],
    ids=range(5),
)
def test_10_texts_that_are_too_long_or_no_text_are_refused(ada, zoo, header, line):
    data = b"\n".join(
        json.dumps(one).encode() for one in ({"key": "header", "value": header}, line)
    )
    answer = ada.ask("POST", "/api/models/ada/net/commit/main", data=data)
    assert answer.status_code in {400, 422}, answer.text
    assert get_revision(zoo, "ada/net").files == ()


@pytest.mark.parametrize("query", ["limit=1e9", "limit=x", "limit=-5", "limit=99999999999999"])
def test_10_pages_are_bounded(ada, query):
    answer = ada.ask("GET", f"/api/models?{query}")
    assert answer.status_code in {200, 400}


def test_11_tokens_are_in_no_answer_and_no_log(ada, zoo, caplog):
    ada.ask("GET", "/v1/models/ada/nothing")
    ada.ask("GET", "/api/models/ada/nothing")
    wrong = ada.client.get("/v1/models", headers={"Authorization": f"Bearer {ada.secret}x"})
    assert ada.secret not in wrong.text
    assert ada.secret not in caplog.text
    assert ada.secret not in ada.ask("GET", "/v1/tokens").text
    for path in zoo.settings.home.rglob("*"):
        if path.is_file():
            assert ada.secret.encode() not in path.read_bytes()
    redirect = ada.ask("GET", "//v1/models")
    assert ada.secret not in str(redirect.headers)


def test_12_of_two_commits_on_one_parent_one_is_refused(ada, zoo):
    parent = get_revision(zoo, "ada/net").id
    first = ada.commit("ada/net", file_line("a"), parent=parent)
    second = ada.commit("ada/net", file_line("b"), parent=parent)
    assert (first.status_code, second.status_code) == (200, 409)
    assert [file.path for file in get_revision(zoo, "ada/net").files] == ["a"]


def test_12_a_parent_may_be_named_by_the_beginning_of_its_id(ada):
    first = ada.commit("ada/net", file_line("a")).json["commitOid"]
    assert ada.commit("ada/net", file_line("b"), parent=first[:6]).status_code == 409
    second = ada.commit("ada/net", file_line("b"), parent=first[:7])
    assert second.status_code == 200
    assert ada.commit("ada/net", file_line("c"), parent=first[:7]).status_code == 409


def test_12_a_download_that_began_ends_though_the_model_is_deleted(ada, zoo):
    ada.commit("ada/net", file_line("a", SECRET[:1000]))
    secret = f"Bearer {ada.secret}"
    opened = zoo.blobs.open(get_revision(zoo, "ada/net").files[0].digest)
    assert ada.ask("DELETE", "/v1/models/ada/net").status_code == 200
    assert opened.read() == SECRET[:1000]
    opened.close()
    gone = ada.client.get("/ada/net/resolve/main/a", headers={"Authorization": secret})
    assert gone.status_code == 404


def test_12_an_alias_that_moved_meanwhile_is_not_moved(ada):
    def alias(**body):
        return ada.ask("PUT", "/v1/models/ada/net/refs/production", json=body).status_code

    first = ada.commit("ada/net", file_line("a")).json["commitOid"]
    second = ada.commit("ada/net", file_line("b")).json["commitOid"]
    assert alias(revision=first) == 200
    assert alias(revision=second, expected=first) == 200
    assert alias(revision=first, expected=first) == 409
    assert alias(revision="nothing", expected=second) == 404


@pytest.mark.parametrize("sent", [SECRET[:-1], SECRET + b"x", b"", bytes(len(SECRET))])
def test_13_bytes_other_than_those_announced_are_not_kept(ada, zoo, sent):
    before = stored(zoo)
    assert ada.upload("ada/net", SECRET, sent).status_code in {400, 413, 422}
    assert stored(zoo) == before
    assert not list((zoo.settings.home / "blobs" / "incoming").glob("*"))


def test_13_parts_are_taken_once_each_in_any_order_and_checked(make_app, home, as_account):
    del home
    asker = as_account("ada")
    asker.client = make_app(access="tokens", upload_part_bytes=2**20).test_client()
    asker.create("net")
    data = SECRET[: 2**20 + 5000]
    digest = hashlib.sha256(data).hexdigest()
    told = asker.batch("ada/net", digest, len(data), transfers=["basic", "multipart"]).json
    assert told["transfer"] == "multipart"
    upload = told["objects"][0]["actions"]["upload"]
    paths = {n: "/lfs/" + upload["header"][n].partition("/lfs/")[2] for n in "12"}
    complete = "/lfs/" + upload["href"].partition("/lfs/")[2]
    parts = {"1": data[: 2**20], "2": data[2**20 :]}

    def finish(etags, oid=digest):
        listed = [{"partNumber": int(n), "etag": etag} for n, etag in etags]
        return asker.client.post(complete, json={"oid": oid, "parts": listed}).status_code

    assert asker.client.put(paths["1"], data=parts["2"]).status_code == 400
    wrong = asker.client.put(paths["1"], data=bytes(2**20)).headers["ETag"]
    tags = {n: asker.client.put(paths[n], data=parts[n]).headers["ETag"] for n in "21"}
    both = [("1", tags["1"]), ("2", tags["2"])]
    assert finish([("1", tags["1"])]) == 400
    assert finish([*both, ("1", tags["1"])]) == 400
    assert finish([("1", '"../../zoo"'), ("2", tags["2"])]) == 409
    assert finish(both, oid="0" * 64) == 400
    assert finish([("1", wrong), ("2", tags["2"])]) == 409
    assert finish(both) == 200
    assert finish(both) == 200  # whose first answer was lost
    assert finish([("1", wrong), ("2", tags["2"])], oid="0" * 64) == 400
    assert asker.commit("ada/net", lfs_line("big", digest)).status_code == 200
    assert asker.ask("GET", "/ada/net/resolve/main/big").data == data


def test_13_parts_that_another_completion_has_put_together_are_no_fault(
    make_app, as_account, monkeypatch
):
    asker = as_account("ada")
    asker.client = make_app(access="tokens", upload_part_bytes=2**20).test_client()
    asker.create("net")
    data = SECRET[: 2**20 + 5000]
    digest = hashlib.sha256(data).hexdigest()
    told = asker.batch("ada/net", digest, len(data), transfers=["multipart"]).json
    upload = told["objects"][0]["actions"]["upload"]
    parts = {"1": data[: 2**20], "2": data[2**20 :]}
    tags = {
        n: asker.client.put("/lfs/" + upload["header"][n].partition("/lfs/")[2], data=part).headers[
            "ETag"
        ]
        for n, part in parts.items()
    }
    listed = [{"partNumber": int(n), "etag": tag} for n, tag in tags.items()]

    def finish():
        path = "/lfs/" + upload["href"].partition("/lfs/")[2]
        return asker.client.post(path, json={"oid": digest, "parts": listed}).status_code

    found, answers = lfs._find_parts, []

    def find_late(*arguments):
        """Have another completion come and end between the look and the reading."""
        parts = found(*arguments)
        if not answers:
            answers.append(None)
            answers.append(finish())
        return parts

    monkeypatch.setattr(lfs, "_find_parts", find_late)
    assert finish() == 200
    assert answers == [None, 200]
    assert asker.commit("ada/net", lfs_line("big", digest)).status_code == 200


def test_9_an_upload_without_a_token_is_asked_for_one(make_app, as_account):
    asker = as_account("ada")
    asker.create("net")
    client = make_app(access="tokens", anonymous_read=True).test_client()
    body = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}]}
    for name in ("ada/net", "ada/none"):
        answer = client.post(f"/{name}.git/info/lfs/objects/batch", json=body)
        assert answer.status_code == 401
        assert answer.headers["LFS-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("body", ["[1]", '"a"', "7"])
def test_10_paths_that_are_asked_for_by_no_object_are_refused(ada, body):
    path = "/api/models/ada/net/paths-info/main"
    answer = ada.ask("POST", path, data=body, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "name",
    ["net.git", "net.", "-net", "a--b", "n\u00e9t", "net\r\nX: y", "n" * 97, "NET/..", ".", "ne t"],
)
def test_14_names_that_others_would_read_otherwise_are_refused(ada, name):
    assert ada.create(name).status_code in {400, 422}


@pytest.mark.parametrize(
    ("first", "second"),
    [("caf\u00e9", "cafe\u0301"), ("\u212b", "\u00c5"), ("caf\u00e9", "cafe")],
)
def test_14_two_files_never_look_alike(ada, first, second):
    answer = ada.commit("ada/net", file_line(first), file_line(second))
    is_twin = unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)
    assert answer.status_code == (422 if is_twin else 200)


@pytest.mark.parametrize("paths", [("a", "a/b"), ("a/b/c", "a/b"), ("a/b/c/d", "a", "b")])
def test_14_no_file_lies_in_another(ada, zoo, paths):
    """Whoever pulls such a revision could write a part of it alone."""
    assert ada.commit("ada/net", *map(file_line, paths)).status_code == 422
    assert get_revision(zoo, "ada/net").files == ()
    assert ada.commit("ada/net", file_line("a/b"), file_line("a-b"), file_line("a.b")).is_json


@pytest.mark.parametrize("name", ["NET", "Net", "nEt"])
def test_14_two_models_are_never_called_alike(ada, name):
    assert ada.create(name).status_code == 409
    assert ada.ask("GET", f"/v1/models/ada/{name}").status_code == 404


@pytest.mark.parametrize("name", ['a".txt', "a\u2028b", "a;b.txt", "ä.txt", "a%0d%0ab"])
def test_14_no_file_name_adds_a_header(ada, name):
    answer = ada.commit("ada/net", file_line(name))
    if answer.status_code != 200:
        assert answer.status_code == 422
        return
    found = ada.ask("GET", f"/ada/net/resolve/main/{quote(name)}")
    assert found.status_code == 200
    assert "\n" not in found.headers["Content-Disposition"]
    assert "X" not in found.headers


@pytest.mark.parametrize(
    "body",
    [
        {"model": "ada/net", "dataset": "/etc", "name": "ada/out"},
        {"model": "ada/net", "dataset": "../../etc", "name": "ada/out"},
        {"model": "ada/net; rm -rf /", "dataset": "x"},
        {"model": "ada/net", "dataset": "$(touch x)"},
        {"model": "ada/net", "dataset": "x", "shell": "true"},
    ],
    ids=range(5),
)
def test_15_no_job_reads_a_path_or_runs_a_command_that_a_caller_names(ada, body):
    assert ada.ask("POST", "/v1/jobs", json=body).status_code in {400, 404, 409, 422}
    assert ada.ask("GET", "/v1/jobs").json["jobs"] == []


@pytest.fixture
def child_of_secret(ada, zoo):
    """A public model that was made from a private one."""
    ada.create("secret", private=True)
    made = ada.commit("ada/secret", file_line("a")).json["commitOid"]
    blob = get_revision(zoo, "ada/secret").files[0]
    publish(
        zoo,
        Publication(
            model="ada/child",
            files={"b": Blob(digest=blob.digest, size_bytes=blob.size_bytes)},
            message="made",
            parent=f"ada/secret@{made}",
            is_private=False,
        ),
    )
    return made


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/ada/child",
        "/v1/models/ada/child/revisions",
        "/v1/models/ada/child/revisions/main",
        "/v1/models/ada/child/lineage",
        "/v1/models/ada/secret",
        "/v1/models/ada/secret/statistics",
        "/api/models?full=true",
        "/api/models?sort=downloads&full=true",
        "/api/models?search=secret",
        "/api/models/ada/child",
        "/api/models/ada/child/commits/main",
        "/api/models/ada/secret/refs",
    ],
)
def test_9_nothing_tells_of_a_private_parent(eve, ada, child_of_secret, path):
    assert child_of_secret in ada.ask("GET", "/v1/models/ada/child").text
    seen = eve.ask("GET", path)
    assert child_of_secret not in seen.text
    if "ada/secret" not in path:
        assert "ada/secret" not in seen.text
    else:
        assert seen.status_code == 404


def test_after_all_of_it_every_byte_is_whole(ada, eve, zoo, secret_digest):
    eve.commit("eve/net", lfs_line("s", secret_digest))
    ada.commit("ada/net", file_line("../x"))
    assert scrub(zoo) == []
