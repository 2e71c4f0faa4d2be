import hashlib

import pytest

from zoo.errors import DigestMismatch, IncompletePackage, TooLarge, UnknownFormat
from zoo.formats.caffe import package as package_module
from zoo.formats.caffe.package import read_package


@pytest.fixture
def read(tmp_path):
    """Read a package of files given as a mapping of names to text or bytes."""

    def read_files(files, **told):
        paths = {}
        for index, (name, content) in enumerate(files.items()):
            paths[name] = tmp_path / str(index)
            paths[name].write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_package(paths, **told)

    return read_files


NET = {"deploy.prototxt": "", "net.caffemodel": b"\x92\x06weights"}
SHA1 = hashlib.sha1(NET["net.caffemodel"]).hexdigest()


def readme(*lines):
    return {"readme.md": "\n".join(["---", *lines, "---", "Prose."])}


def test_a_full_package_is_understood(read):
    lines = ["name: Net", "caffemodel: net.caffemodel", "license: BSD", f"sha1: {SHA1.upper()}"]
    others = {"train_val.prototxt": "", "solver.prototxt": "", "mean.binaryproto": "", "a.py": ""}
    package = read(NET | others | readme(*lines) | {"labels.txt": "ant\nbee"})
    assert package.title == "Net"
    assert package.prototxt.name == "deploy.prototxt"
    assert package.weights.name == "net.caffemodel"
    assert package.weights.path.read_bytes() == NET["net.caffemodel"]
    assert package.train_val.name == "train_val.prototxt"
    assert package.mean.name == "mean.binaryproto"
    assert package.readme.name == "readme.md"
    assert (package.licence, package.sha1, package.prose) == ("BSD", SHA1, "Prose.")
    assert package.labels == ("ant", "bee")
    assert package.labels_file.name == "labels.txt"
    assert package.missing == ()


def test_what_is_missing_is_told(read):
    package = read(NET)
    assert package.title == "net"
    assert package.front_matter == {}
    assert package.missing == (
        "no readme.md",
        "no licence",
        "no sha1 to check the weights against",
        "no class names",
    )


def test_labels_that_are_given_are_not_missed_and_win(read):
    given = read(NET, labels=("ant", "bee"))
    assert given.labels == ("ant", "bee")
    assert "no class names" not in given.missing
    assert read(NET | {"labels.txt": "cat\ndog"}, labels=("ant", "bee")).labels == ("ant", "bee")
    assert "no class names" in read(NET, labels=()).missing


def test_a_sha1_that_is_none_checks_nothing(read):
    assert read(NET | readme("sha1: unknown")).sha1 is None


def test_weights_that_are_not_the_announced_ones_are_refused(read):
    with pytest.raises(DigestMismatch) as caught:
        read(NET | readme("sha1: " + "0" * 40))
    assert caught.value.detail == {"file": "net.caffemodel", "expected": "0" * 40, "found": SHA1}
    assert SHA1 in str(caught.value)


def test_a_git_lfs_pointer_is_told_before_its_digest(read):
    pointer = {"net.caffemodel": "version https://git-lfs.github.com/spec/v1"}
    with pytest.raises(UnknownFormat, match=r"net\.caffemodel is a git-LFS pointer"):
        read(NET | pointer | readme(f"sha1: {SHA1}"))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["deploy.prototxt", "other.prototxt"], "deploy.prototxt"),
        (["net_deploy.prototxt", "train_val.prototxt", "other.prototxt"], "net_deploy.prototxt"),
        (["net.prototxt", "solver.prototxt", "train_val.prototxt"], "net.prototxt"),
        (["train_val.prototxt", "solver.prototxt"], "train_val.prototxt"),
        (["sub/deploy.prototxt"], "sub/deploy.prototxt"),
    ],
)
def test_the_network_for_prediction_is_chosen(read, names, chosen):
    files = dict.fromkeys(names, "") | {"net.caffemodel": "x"}
    assert read(files).prototxt.name == chosen


@pytest.mark.parametrize(
    "names",
    [["a/deploy.prototxt", "b/deploy.prototxt"], ["a.prototxt", "b.prototxt"]],
)
def test_a_prototxt_that_cannot_be_chosen_is_told(read, names):
    with pytest.raises(IncompletePackage, match=r"a deploy\.prototxt") as caught:
        read(dict.fromkeys(names, "") | {"net.caffemodel": "x"})
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize("stated", ["a.caffemodel", "a", "gone.caffemodel"])
def test_the_weights_the_readme_names_are_chosen_or_else_the_only_ones(read, stated):
    others = {} if stated.startswith("gone") else {"b.caffemodel": "y"}
    files = {"deploy.prototxt": "", "a.caffemodel": "x"} | others
    assert read(files | readme(f"caffemodel: {stated}")).weights.name == "a.caffemodel"


def test_hdf5_weights_are_weights(read):
    assert read({"deploy.prototxt": "", "a.caffemodel.h5": "x"}).weights.name == "a.caffemodel.h5"


def test_several_weights_are_told(read):
    with pytest.raises(IncompletePackage, match=r"several .* a\.caffemodel, b\.caffemodel"):
        read({"deploy.prototxt": "", "a.caffemodel": "x", "b.caffemodel": "y"})


def test_missing_weights_are_told_with_where_to_get_them(read):
    lines = ["caffemodel: net.caffemodel", "caffemodel_url: http://example.org/net"]
    with pytest.raises(IncompletePackage, match=r"lacks the weights 'net\.caffemodel'") as caught:
        read({"deploy.prototxt": ""} | readme(*lines))
    assert "http://example.org/net" in caught.value.hint
    with pytest.raises(IncompletePackage, match=r"lacks weights .* it has no files"):
        read({})


def test_of_many_files_only_some_are_named(read):
    with pytest.raises(IncompletePackage, match=r"19\.py, \.\.\.") as caught:
        read({f"{index:02}.py": "" for index in range(30)})
    assert len(caught.value.detail["seen"]) == 30


def test_of_several_mean_images_the_plain_one_is_taken(read):
    means = {"a.binaryproto": "", "b.binaryproto": ""}
    assert read(NET | means).mean is None
    assert read(NET | means | {"mean.binaryproto": ""}).mean.name == "mean.binaryproto"


def test_a_train_val_may_have_the_name_of_its_network(read):
    assert read(NET | {"n_train_val.prototxt": ""}).train_val.name == "n_train_val.prototxt"
    several = {"n_train_val.prototxt": "", "train_val.prototxt": ""}
    assert read(NET | several).train_val.name == "train_val.prototxt"


def test_labels_come_from_files_before_the_readme(read):
    stated = readme("labels: [x, y]")
    assert read(NET | stated).labels == ("x", "y")
    assert read(NET | stated | {"synset_words.txt": "n01440764 tench"}).labels == ("tench",)
    assert read(NET | {"labels.txt": "\n"}).labels is None


def test_a_readme_that_is_no_readme_is_refused(read, monkeypatch):
    monkeypatch.setattr(package_module, "LARGEST_TEXT", 10)
    with pytest.raises(TooLarge, match=r"readme\.md is longer than 10 bytes"):
        read(NET | readme("name: x"))


@pytest.mark.parametrize("names", [[], ["solver.prototxt"]])
def test_weights_may_come_without_a_description(read, names):
    assert read(dict.fromkeys([*names, "net.caffemodel"], "x")).prototxt is None
