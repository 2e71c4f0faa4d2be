"""What a client of the Hub does with a model whose bytes are in S3, run as a process."""

import os
import sys
from pathlib import Path

from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download

LARGE = 3 * 2**20

folder = Path(sys.argv[1])
data = os.urandom(LARGE)
(folder / "up").mkdir(parents=True)
(folder / "up" / "model.safetensors").write_bytes(data)
(folder / "up" / "config.json").write_text("{}")

api = HfApi()
api.create_repo("lab/net", private=True)
api.upload_folder(repo_id="lab/net", folder_path=folder / "up")
found = hf_hub_download("lab/net", "model.safetensors", cache_dir=folder / "one")
assert Path(found).read_bytes() == data
whole = Path(snapshot_download("lab/net", cache_dir=folder / "two"))
assert (whole / "model.safetensors").read_bytes() == data
assert (whole / "config.json").read_text() == "{}"
with HfFileSystem().open("lab/net/model.safetensors") as file:
    file.seek(LARGE - 10)
    assert file.read() == data[-10:]
assert api.get_paths_info("lab/net", "model.safetensors")[0].size == LARGE
