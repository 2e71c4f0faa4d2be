"""Every call that users make of huggingface_hub, run by one of its versions against a server.

    python hub_calls.py URL TOKEN

Runs under the interpreter that has the version, which has neither the zoo nor pytest. Prints one
JSON object: for each call what went wrong, or null.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

URL, TOKEN = sys.argv[1:3]
WORK = Path(tempfile.mkdtemp())
os.environ |= {
    "HF_ENDPOINT": URL,
    "HF_TOKEN": TOKEN,
    "HF_HOME": str(WORK / "home"),
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1",
}

import huggingface_hub as hub  # noqa: E402
from huggingface_hub import errors  # noqa: E402

API = hub.HfApi()
BIG = os.urandom(3_000_000)
CALLS = []
STATE = {}


def call(run):
    CALLS.append(run)
    return run


def files(**options):
    return sorted(API.list_repo_files(STATE["id"], **options))


@contextlib.contextmanager
def raises(kind):
    try:
        yield
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


@call
def whoami():
    STATE["me"] = API.whoami()["name"]
    assert STATE["me"]


@call
def create_repo():
    repo = API.create_repo("clients")
    assert repo.repo_id == f"{STATE['me']}/clients"
    assert str(repo).startswith(URL)
    STATE["id"] = repo.repo_id


@call
def create_repo_that_is_there():
    assert API.create_repo("clients", exist_ok=True).repo_id == STATE["id"]
    with raises(errors.HfHubHTTPError):
        API.create_repo("clients")


@call
def upload_folder():
    folder = WORK / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\ntags: [digits]\n---\n# A card\n")
    (folder / "config.json").write_text("{}")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "sub" / "big.bin").write_bytes(BIG)
    done = API.upload_folder(repo_id=STATE["id"], folder_path=folder, commit_message="A title")
    STATE["first"] = done.oid
    assert files() == ["README.md", "config.json", "empty.txt", "sub/big.bin"]


@call
def upload_the_same_folder_again():
    again = API.upload_folder(repo_id=STATE["id"], folder_path=WORK / "folder")
    assert again.oid == STATE["first"]


@call
def download_file():
    path = hub.hf_hub_download(STATE["id"], "sub/big.bin")
    assert Path(path).read_bytes() == BIG
    assert STATE["first"] in path


@call
def download_snapshot():
    folder = Path(hub.snapshot_download(STATE["id"]))
    assert (folder / "sub" / "big.bin").read_bytes() == BIG
    assert (folder / "empty.txt").read_bytes() == b""


@call
def download_to_a_folder_with_patterns():
    folder = WORK / "local"
    hub.snapshot_download(STATE["id"], local_dir=folder, allow_patterns=["*.json"])
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["config.json"]


@call
def download_by_commit_from_the_cache():
    path = hub.hf_hub_download(
        STATE["id"], "config.json", revision=STATE["first"], local_files_only=True
    )
    assert Path(path).read_text() == "{}"


@call
def metadata_of_a_file():
    url = hub.hf_hub_url(STATE["id"], "config.json")
    found = hub.get_hf_file_metadata(url)
    assert (found.commit_hash, found.size) == (STATE["first"], 2)
    assert len(found.etag) == 64


@call
def branches_and_tags():
    API.create_branch(STATE["id"], branch="feat/x")
    API.create_branch(STATE["id"], branch="feat/x", exist_ok=True)
    API.create_tag(STATE["id"], tag="v1", revision="feat/x")
    with raises(errors.HfHubHTTPError):
        API.create_tag(STATE["id"], tag="v1")
    found = API.list_repo_refs(STATE["id"])
    assert [one.name for one in found.branches] == ["feat/x", "main"]
    assert [(one.name, one.target_commit) for one in found.tags] == [("v1", STATE["first"])]


@call
def commit_to_a_branch_with_a_slash():
    API.upload_file(
        repo_id=STATE["id"], path_or_fileobj=b"hello", path_in_repo="h.txt", revision="feat/x"
    )
    assert "h.txt" in files(revision="feat/x")
    assert "h.txt" not in files()
    path = hub.hf_hub_download(STATE["id"], "h.txt", revision="feat/x")
    assert Path(path).read_bytes() == b"hello"


@call
def exists():
    assert API.repo_exists(STATE["id"])
    assert not API.repo_exists(f"{STATE['me']}/nothing")
    assert API.revision_exists(STATE["id"], "feat/x")
    assert not API.revision_exists(STATE["id"], "nothing")
    assert API.file_exists(STATE["id"], "h.txt", revision="feat/x")
    assert not API.file_exists(STATE["id"], "h.txt")


@call
def what_is_not_there_is_told_by_its_own_exception():
    with raises(errors.RepositoryNotFoundError):
        hub.hf_hub_download(f"{STATE['me']}/nothing", "config.json")
    with raises(errors.RevisionNotFoundError):
        hub.hf_hub_download(STATE["id"], "config.json", revision="nothing")
    with raises(errors.EntryNotFoundError):
        hub.hf_hub_download(STATE["id"], "nothing.json")


@call
def upload_of_a_file_object():
    API.upload_file(
        repo_id=STATE["id"], path_or_fileobj=io.BytesIO(BIG[:2_000_000]), path_in_repo="object.bin"
    )
    assert Path(hub.hf_hub_download(STATE["id"], "object.bin")).read_bytes() == BIG[:2_000_000]


@call
def several_operations_in_one_commit():
    API.create_commit(
        STATE["id"],
        [
            hub.CommitOperationAdd("a/one.txt", b"one"),
            hub.CommitOperationAdd("a/two.txt", b"two"),
            hub.CommitOperationCopy("object.bin", "copy/object.bin"),
            hub.CommitOperationDelete("empty.txt"),
            hub.CommitOperationDelete("sub/", is_folder=True),
        ],
        commit_message="Several",
        commit_description="things",
    )
    assert files() == [
        "README.md",
        "a/one.txt",
        "a/two.txt",
        "config.json",
        "copy/object.bin",
        "object.bin",
    ]


@call
def a_commit_on_an_old_parent_is_refused():
    before = files()
    with raises(errors.HfHubHTTPError):
        API.create_commit(
            STATE["id"],
            [hub.CommitOperationAdd("late.txt", b"late")],
            commit_message="late",
            parent_commit=STATE["first"],
        )
    assert files() == before


@call
def delete_file_and_folder():
    API.delete_file("object.bin", STATE["id"])
    API.delete_folder("a", STATE["id"])
    assert files() == ["README.md", "config.json", "copy/object.bin"]


@call
def old_revisions_stay():
    assert "sub/big.bin" in files(revision=STATE["first"])
    assert "sub/big.bin" in files(revision="v1")


@call
def list_commits():
    titles = [one.title for one in API.list_repo_commits(STATE["id"])]
    assert titles[-2:] == ["A title", "initial commit"]
    assert "Several" in titles


@call
def tree():
    top = {one.path for one in API.list_repo_tree(STATE["id"], revision="v1")}
    assert top == {"README.md", "config.json", "empty.txt", "sub"}
    below = {one.path for one in API.list_repo_tree(STATE["id"], "sub", revision="v1")}
    assert below == {"sub/big.bin"}
    every = list(API.list_repo_tree(STATE["id"], revision="v1", recursive=True, expand=True))
    assert len(every) == 5
    assert all(one.last_commit.oid == STATE["first"] for one in every)


@call
def paths_info():
    found = API.get_paths_info(STATE["id"], ["sub", "empty.txt", "nothing"], revision="v1")
    assert {one.path for one in found} == {"sub", "empty.txt"}


@call
def model_info():
    found = API.model_info(STATE["id"], files_metadata=True)
    assert found.id == STATE["id"]
    assert found.card_data.license == "mit"
    assert {"digits", "license:mit"} <= set(found.tags)
    assert all(one.lfs["sha256"] if isinstance(one.lfs, dict) else one.lfs.sha256
               for one in found.siblings)  # fmt: skip


@call
def list_models():
    assert STATE["id"] in [one.id for one in API.list_models(search="clients")]
    assert STATE["id"] in [one.id for one in API.list_models(author=STATE["me"])]
    assert STATE["id"] in [one.id for one in API.list_models(filter=["digits", "license:mit"])]
    assert [one.id for one in API.list_models(search="no such thing")] == []
    assert len(list(API.list_models(limit=1))) == 1


@call
def file_system():
    system = hub.HfFileSystem()
    names = {path.rpartition("/")[2] for path in system.ls(f"{STATE['id']}@v1", detail=False)}
    assert names == {"README.md", "config.json", "empty.txt", "sub"}
    with system.open(f"{STATE['id']}@v1/sub/big.bin", "rb") as file:
        file.seek(1_000_000)
        assert file.read(10) == BIG[1_000_000:1_000_010]
    with system.open(f"{STATE['id']}/written.txt", "w") as file:
        file.write("written")
    assert system.read_text(f"{STATE['id']}/written.txt") == "written"


@call
def card():
    found = hub.ModelCard.load(STATE["id"])
    found.text += "\nMore.\n"
    found.push_to_hub(STATE["id"])
    assert "More." in hub.ModelCard.load(STATE["id"]).text


@call
def settings():
    API.update_repo_settings(STATE["id"], private=True)
    assert API.model_info(STATE["id"]).private
    API.update_repo_settings(STATE["id"], private=False)
    assert not API.model_info(STATE["id"]).private


@call
def auth_check():
    API.auth_check(STATE["id"])


@call
def move():
    moved = f"{STATE['me']}/moved"
    API.move_repo(STATE["id"], moved)
    assert API.model_info(STATE["id"]).id == moved
    assert Path(hub.hf_hub_download(STATE["id"], "config.json")).read_text() == "{}"
    STATE["id"] = moved


@call
def delete_branch_and_tag():
    API.delete_branch(STATE["id"], branch="feat/x")
    API.delete_tag(STATE["id"], tag="v1")
    found = API.list_repo_refs(STATE["id"])
    assert ([one.name for one in found.branches], found.tags) == (["main"], [])


@call
def upload_large_folder():
    folder = WORK / "large"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.bin").write_bytes(os.urandom(200_000))
    (folder / "0.txt").write_text("text")
    if hasattr(API, "upload_large_folder"):
        API.upload_large_folder(
            repo_id=STATE["id"], folder_path=folder, repo_type="model", print_report=False
        )
    else:  # It has become the same as the other.
        API.upload_folder(repo_id=STATE["id"], folder_path=folder)
    assert {f"{number}.bin" for number in range(5)} <= set(files())


@call
def verify_checksums():
    folder = WORK / "verified"
    hub.snapshot_download(STATE["id"], local_dir=folder)
    found = API.verify_repo_checksums(STATE["id"], local_dir=folder)
    assert not found.mismatches
    (folder / "0.bin").write_bytes(os.urandom(200_000))
    changed = API.verify_repo_checksums(STATE["id"], local_dir=folder)
    assert "0.bin" in str(changed.mismatches)
    assert len(changed.mismatches) == 1


@call
def delete_repo():
    API.delete_repo(STATE["id"])
    assert not API.repo_exists(STATE["id"])
    API.delete_repo(STATE["id"], missing_ok=True)


def main():
    results = {}
    for run in CALLS:
        try:
            run()
        except Exception:  # noqa: BLE001  # whatever a version of the client raises is told
            results[run.__name__] = traceback.format_exc()
        else:
            results[run.__name__] = None
    json.dump({"version": hub.__version__, "calls": results}, sys.stdout)


main()
