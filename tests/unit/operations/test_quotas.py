"""Quotas: what an owner may have, asked in the transaction that writes; equal bytes cost once."""

import threading
from dataclasses import replace

import pytest

from zoo.domain.quota import Quota
from zoo.domain.revision import Blob
from zoo.errors import Forbidden, ModelNotFound, QuotaExceeded
from zoo.operations.commit import Change, commit, keep_content
from zoo.operations.fetch import get_model, list_revisions
from zoo.operations.models import create_model, delete_model, rename_model
from zoo.operations.quotas import check_room, list_usage, set_quota
from zoo.operations.uploads import continue_upload


def usage(zoo, owner):
    return next(one for one in list_usage(zoo) if one.owner == owner)


def test_bytes_count_once_however_many_revisions_share_them(zoo, published):
    published("lab/a", files={"x": "12345", "y": "1"})
    published("lab/a", files={"x": "12345", "y": "2"})
    published("lab/b", files={"z": "12345"})
    published("other", files={"z": "12345"})
    found = usage(zoo, "lab")
    assert (found.size_bytes, found.models, found.revisions) == (7, 2, 3)
    assert (usage(zoo, "").size_bytes, found.quota.is_unlimited) == (5, True)


def test_a_revision_beyond_the_bytes_is_refused_and_leaves_nothing(zoo, published):
    set_quota(zoo, "lab", Quota(most_bytes=10))
    published("lab/a", files={"x": "12345"})
    with pytest.raises(QuotaExceeded, match="may have 10 bytes, has 5, and this would add 6"):
        published("lab/b", files={"x": "123456"})
    with pytest.raises(ModelNotFound):
        get_model(zoo, "lab/b")
    published("lab/b", files={"x": "12345", "y": "54321"})
    published("elsewhere", files={"x": "123456"})


def test_owners_differ_by_capitals(zoo, published):
    published("Lab/a", files={"x": "12345"})
    keep_content(zoo, "Lab/a", b"sent")
    set_quota(zoo, "lab", Quota(most_bytes=1))
    found = usage(zoo, "lab")
    assert (found.size_bytes, found.models, found.revisions) == (0, 0, 0)
    assert usage(zoo, "Lab").size_bytes == 9


def test_models_and_revisions_are_counted(zoo, published):
    set_quota(zoo, "lab", Quota(most_models=1, most_revisions=2))
    published("lab/a", files={"x": "1"})
    with pytest.raises(QuotaExceeded, match="1 models, and has 1"):
        create_model(zoo, "lab/b")
    published("lab/a", files={"x": "2"})
    with pytest.raises(QuotaExceeded, match="2 revisions, and has 2"):
        published("lab/a", files={"x": "3"})
    published("lab/a", files={"x": "1"})  # The same again is no further revision.
    assert len(list_revisions(zoo, "lab/a")) == 2


def test_what_was_there_before_a_quota_stays_and_can_be_published_again(zoo, published):
    for text in "123":
        published("lab/a", files={"x": text})
    set_quota(zoo, "lab", Quota(most_bytes=1, most_models=0, most_revisions=1))
    published("lab/a", files={"x": "2"})
    with pytest.raises(QuotaExceeded):
        published("lab/a", files={"x": "4"})


def test_uploads_are_refused_before_and_after_they_are_sent(zoo, digest_of):
    create_model(zoo, "lab/a")
    set_quota(zoo, "lab", Quota(most_bytes=10))
    keep_content(zoo, "lab/a", b"12345")
    with pytest.raises(QuotaExceeded):
        keep_content(zoo, "lab/a", b"123456")

    def never():
        raise AssertionError
        yield

    with pytest.raises(QuotaExceeded):
        continue_upload(zoo, "lab/a", digest_of(b"123456"), never(), offset=0, size_bytes=6)
    check_room(zoo, "lab/a", [Blob(digest=digest_of(b"12345"), size_bytes=5)])


def test_of_two_who_take_the_last_room_one_is_refused(zoo):
    create_model(zoo, "lab/a")
    set_quota(zoo, "lab", Quota(most_bytes=8))
    outcomes = []

    def send(text):
        try:
            blob = keep_content(zoo, "lab/a", text)
            commit(zoo, Change(model="lab/a", message="x", added={text.decode(): blob}))
        except QuotaExceeded:
            outcomes.append("refused")
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=send, args=(text,)) for text in (b"12345", b"54321")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]


def test_a_deleted_model_counts_and_a_renamed_one_moves(zoo, published):
    published("lab/a", files={"x": "12345"})
    set_quota(zoo, "ada", Quota(most_bytes=4))
    with pytest.raises(QuotaExceeded):
        rename_model(zoo, "lab/a", "ada/a")
    set_quota(zoo, "ada", Quota(most_bytes=5, most_models=1))
    rename_model(zoo, "lab/a", "ada/a")
    rename_model(zoo, "ada/a", "ada/b")
    delete_model(zoo, "ada/b")
    assert (usage(zoo, "ada").size_bytes, usage(zoo, "ada").models) == (5, 1)


def test_the_settings_give_everyone_the_same_until_more_is_set(zoo):
    zoo = replace(zoo, settings=zoo.settings.model_copy(update={"quota_models": 1}))
    create_model(zoo, "lab/a")
    with pytest.raises(QuotaExceeded):
        create_model(zoo, "lab/b")
    set_quota(zoo, "lab", Quota(most_models=2))
    create_model(zoo, "lab/b")
    assert set_quota(zoo, "lab", None).quota == Quota(most_models=1)


def test_only_those_who_look_after_the_zoo_set_and_see_quotas(zoo):
    ada = replace(zoo, caller=replace(zoo.caller, account="ada", roles={}))
    with pytest.raises(Forbidden):
        set_quota(ada, "ada", Quota())
    with pytest.raises(Forbidden):
        list_usage(ada)
