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
import tarfile
import unicodedata
import zipfile
from pathlib import Path
from urllib.parse import quote

import lz4.frame
import pytest

from zoo.domain.access import Role
from zoo.operations.accounts import create_token, list_tokens
from zoo.operations.fetch import get_revision
from zoo.operations.scrub import scrub

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
    assert ada.ask("GET", f"/ada/net/resolve/{ref}/README.md").status_code in {404, 422}
    assert ada.ask("POST", f"/api/models/ada/net/branch/{ref}", json={}).status_code in {404, 422}


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
    assert finish([("1", wrong), ("2", tags["2"])]) == 422
    assert finish(both) == 200
    assert asker.commit("ada/net", lfs_line("big", digest)).status_code == 200
    assert asker.ask("GET", "/ada/net/resolve/main/big").data == data


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


def test_after_all_of_it_every_byte_is_whole(ada, eve, zoo, secret_digest):
    eve.commit("eve/net", lfs_line("s", secret_digest))
    ada.commit("ada/net", file_line("../x"))
    assert scrub(zoo) == []
