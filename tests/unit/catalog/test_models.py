"""Models, revisions, refs: what is published is found again, and every move is remembered."""

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import pytest
from sqlalchemy import create_engine, event, insert, select, text

from zoo.catalog import models
from zoo.catalog.database import Database
from zoo.catalog.datasets import add_dataset, get_dataset_pk, list_datasets
from zoo.catalog.jobs import add_job
from zoo.catalog.lifecycle import set_private
from zoo.catalog.models import (
    find_sizes,
    get_model,
    get_revision,
    get_revision_pk,
    list_models,
    list_names,
    list_revisions,
)
from zoo.catalog.publishing import Lineage, NewRevision, add_blobs, add_revision
from zoo.catalog.refs import list_history, list_moves, list_refs, move_ref
from zoo.catalog.statistics import list_popular
from zoo.catalog.tables import Base, BlobRow, DatasetRow, ModelRow, RefRow
from zoo.domain.access import LOCAL
from zoo.domain.dataset import Dataset
from zoo.domain.job import JobKind
from zoo.domain.revision import Blob, RefKind, RefMove
from zoo.domain.search import ModelWish
from zoo.errors import BadName, ModelNotFound, RevisionNotFound


def make_blob(text):
    return Blob(digest=hashlib.sha256(text.encode()).hexdigest(), size_bytes=len(text))


def make_revision(content="first", model="net", **more):
    return NewRevision(
        model=model,
        files={"README.md": make_blob(content), "config.json": make_blob("{}")},
        message=f"the {content}",
        **more,
    )


@pytest.fixture
def publish(db, clock):
    """Publish a revision with some content, a second after the one before."""

    def publish(content="first", **more):
        clock.forward(1)
        return add_revision(db, make_revision(content, **more), now=clock())

    return publish


def test_what_is_published_is_found_again(db, publish):
    published = publish(summary={"classes": 2})
    found = get_revision(db, "net")
    assert found == published
    assert [file.path for file in found.files] == ["README.md", "config.json"]
    assert found.summary == {"classes": 2}
    assert found.message == "the first"


def test_a_time_comes_back_as_it_was_in_utc(db, publish, clock):
    publish()
    created = get_revision(db, "net").created_at
    assert created == clock()
    assert created.tzinfo is UTC


def test_the_same_files_again_are_the_same_revision_and_no_move(db, publish):
    first, again = publish(), publish()
    assert again == first
    assert len(list_revisions(db, "net")) == 1
    assert len(list_moves(db, "net")) == 1


def test_a_revision_knows_the_one_before(publish):
    first, second = publish("first"), publish("second")
    assert first.previous is None
    assert second.previous == first.id


def test_publishing_an_old_revision_again_moves_main_back_and_keeps_its_past(db, publish):
    first, second = publish("first"), publish("second")
    assert publish("first").previous is None
    assert get_model(db, "net").head.id == first.id
    assert [move.old for move in list_moves(db, "net")] == [second.id, first.id, None]


def test_the_same_files_under_two_names_are_two_revisions_of_one_id(publish):
    here, there = publish(model="here"), publish(model="there")
    assert here.id == there.id
    assert here.address != there.address


def test_revisions_are_listed_the_newest_first(db, publish):
    ids = [publish(content).id for content in ("first", "second", "third")]
    assert [revision.id for revision in list_revisions(db, "net")] == ids[::-1]
    seen, after = [], ""
    while page := list_revisions(db, "net", after=after, limit=2):
        seen.append([revision.id for revision in page])
        after = page[-1].id
    assert seen == [[ids[2], ids[1]], [ids[0]]]
    with pytest.raises(RevisionNotFound):
        list_revisions(db, "net", after="0" * 40)


def test_a_ref_moves_and_every_move_is_remembered(db, publish, clock):
    first, second = publish("first"), publish("second")
    for target in (first.id, second.id, second.id):
        move_ref(db, "net", "production", target, now=clock())
    assert get_model(db, "net").refs == {"main": second.id, "production": second.id}
    assert list_moves(db, "net")[:2] == [
        RefMove(ref="production", old=first.id, new=second.id, at=clock()),
        RefMove(ref="production", old=None, new=first.id, at=clock()),
    ]


def test_a_ref_may_be_moved_to_where_another_points(db, publish, clock):
    first = publish("first")
    move_ref(db, "net", "v1", "main", now=clock())
    publish("second")
    assert get_revision(db, "net", "v1").id == first.id


def test_a_revision_may_be_published_under_another_ref_than_main(db, publish):
    publish(ref="draft")
    model = get_model(db, "net")
    assert model.head is None
    assert list(model.refs) == ["draft"]


@pytest.mark.parametrize("length", [6, 12, 40])
def test_a_revision_is_found_by_the_beginning_of_its_id(db, publish, length):
    revision = publish()
    assert get_revision(db, "net", revision.id[:length]) == revision
    assert get_revision(db, "net", revision.id[:length].upper()) == revision


@pytest.mark.parametrize("ref", ["none", "%", "______", ""])
def test_what_is_no_ref_and_no_beginning_is_not_found(db, publish, ref):
    publish()
    with pytest.raises(RevisionNotFound) as caught:
        get_revision(db, "net", ref)
    assert caught.value.detail["refs"] == ["main"]


def test_a_beginning_that_is_too_short_is_not_found(db, publish):
    revision = publish()
    with pytest.raises(RevisionNotFound):
        get_revision(db, "net", revision.id[:5])


def test_a_beginning_that_two_revisions_share_is_not_found(db, publish):
    publish("first")
    publish("second")
    db.execute(text("UPDATE revisions SET id = 'abcdef' || substr(id, 7)"))
    db.expire_all()
    with pytest.raises(RevisionNotFound):
        get_revision(db, "net", "abcdef")


def test_a_ref_wins_over_a_beginning(db, publish, clock):
    first, second = publish("first"), publish("second")
    move_ref(db, "net", first.id[:8], second.id, now=clock())
    assert get_revision(db, "net", first.id[:8]).id == second.id


@pytest.mark.parametrize("ask", [get_model, get_revision, list_revisions, list_moves])
def test_an_unknown_model_is_not_found(db, ask):
    with pytest.raises(ModelNotFound, match="'net'"):
        ask(db, "net")


@pytest.mark.parametrize(
    "bad", [{"model": "a--b"}, {"ref": "a b"}, {"content": "x", "files": {"../a": None}}]
)
def test_a_bad_name_publishes_nothing(catalog, clock, bad):
    new = NewRevision(
        **{"model": "net", "files": {"a": make_blob("a")}, "message": "", "ref": "main"}
        | {key: value for key, value in bad.items() if key != "content"}
    )
    with pytest.raises(BadName), catalog.writing() as db:
        add_revision(db, new, now=clock())
    with catalog.reading() as db:
        assert list_names(db, caller=LOCAL) == []
        assert db.scalars(select(BlobRow)).all() == []


def test_a_bad_ref_cannot_be_moved(db, publish, clock):
    publish()
    with pytest.raises(BadName):
        move_ref(db, "net", "a b", "main", now=clock())


def test_lineage_is_told_by_address(db, publish, clock):
    parent = publish("parent", model="caffe/base")
    dataset = add_dataset(
        db, Dataset(name="insects", classes=("ant", "bee"), pictures=()), now=clock()
    )
    job = add_job(db, JobKind.FINETUNE, {}, now=clock())
    lineage = Lineage(
        parent_pk=get_revision_pk(db, "caffe/base", "main"),
        dataset_pk=get_dataset_pk(db, "insects"),
        job_id=job.id,
    )
    child = publish("child", lineage=lineage)
    assert (child.parent, child.dataset, child.job) == (parent.address, dataset.address, job.id)
    assert get_revision(db, "net") == child


def test_models_are_listed_by_name_a_page_at_a_time(db, publish):
    names = ["alexnet", "caffe/a", "caffe/b", "lenet", "vgg"]
    for name in reversed(names):
        publish(model=name)
    pages, after = [], ""
    while page := list_models(db, caller=LOCAL, after=after, limit=2):
        pages.append([model.name for model in page])
        after = page[-1].name
    assert pages == [["alexnet", "caffe/a"], ["caffe/b", "lenet"], ["vgg"]]
    assert list_names(db, caller=LOCAL) == names


def test_a_listed_model_is_the_model(db, publish):
    publish()
    assert list_models(db, caller=LOCAL) == [get_model(db, "net")]


def test_a_blob_is_written_down_once(db, clock):
    blob = make_blob("shared")
    add_blobs(db, [blob, blob], now=clock())
    add_blobs(db, [blob, make_blob("other")], now=clock())
    add_blobs(db, [], now=clock())
    assert len(db.scalars(select(BlobRow)).all()) == 2


def test_more_blobs_than_one_statement_takes_are_written_down(db, clock, monkeypatch):
    monkeypatch.setattr("zoo.catalog.models.BATCH", 3)
    add_blobs(db, [make_blob(str(number)) for number in range(10)], now=clock())
    assert len(db.scalars(select(BlobRow)).all()) == 10


def test_writers_who_publish_the_same_at_once_do_not_collide(catalog, clock):
    def publish(number):
        with catalog.writing() as db:
            add_revision(db, make_revision(f"content {number % 3}"), now=clock())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, range(24)))
    with catalog.reading() as db:
        assert len(list_revisions(db, "net")) == 3


def test_of_many_names_those_that_begin_alike_are_given(db, publish, monkeypatch):
    monkeypatch.setattr(models, "MOST_NAMES", 3)
    for name in ("a", "b", "c", "lenet", "lenet-digits"):
        publish(model=name)
    assert list_names(db, caller=LOCAL) == ["a", "b", "c"]
    assert list_names(db, caller=LOCAL, like="lenett") == ["lenet", "lenet-digits"]


@pytest.fixture
def english_url(postgresql_server):
    """The URL of a database whose texts are sorted as in a dictionary, gone afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        connection.execute(text(f"CREATE DATABASE {name} {options}"))
        yield postgresql_server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def test_pages_go_by_code_points_whatever_language_a_database_is_for(english_url, clock):
    names = ["Beta/b", "Gamma/g", "Zeta/z", "alpha/a", "delta/d"]
    database = Database(english_url)
    Base.metadata.create_all(database.engine)
    with database.writing() as db:
        for name in names:
            add_revision(db, make_revision(model=name), now=clock())
            add_dataset(db, Dataset(name=name, classes=(), pictures=()), now=clock())

        def list_by_downloads(after):
            place = (0, after) if after else None
            told = {"caller": LOCAL, "since": clock().date(), "wish": ModelWish()}
            return [model for model, _ in list_popular(db, after=place, limit=2, **told)]

        for list_part in (
            lambda after: list_models(db, caller=LOCAL, after=after, limit=2),
            lambda after: list_datasets(db, after=after, limit=2),
            list_by_downloads,
        ):
            found = [""]
            while page := list_part(found[-1]):
                found += [one.name for one in page]
            assert found[1:] == names
    database.close()


def test_a_page_is_read_from_an_index_whatever_language_a_database_is_for(english_url, clock):
    database = Database(english_url)
    Base.metadata.create_all(database.engine)
    with database.writing() as db:
        names = [f"owner-{number % 7}/net-{number:04}" for number in range(2000)]
        told = {"created_at": clock(), "is_private": False}
        db.execute(insert(ModelRow), [{"name": name, **told} for name in names])
        kept = {"classes": [], "skipped": [], "counts": {}, "split_source": "given"}
        sets = [{"name": name, "id": "0" * 40, "created_at": clock(), **kept} for name in names]
        db.execute(insert(DatasetRow), sets)
        db.execute(text("ANALYZE"))
        asked = []
        connection = db.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        assert len(list_models(db, caller=LOCAL, after="owner-3/net-0100", limit=10)) == 10
        assert len(list_datasets(db, after="owner-3/net-0100", limit=10)) == 10
        paged = [one for one in asked if "ORDER BY" in one[0] and "LIMIT" in one[0]]
        plans = []
        for statement, values in paged:
            found = connection.exec_driver_sql(f"EXPLAIN {statement}", values)
            plans.append("\n".join(found.scalars()))
        assert len(plans) == 2
        for plan, index in zip(plans, ("ix_models_name_c", "ix_datasets_name_c"), strict=True):
            assert f"Index Scan using {index}" in plan
            assert "Seq Scan" not in plan
    database.close()


class Work:
    """What a session does: its statements, and the refs it loads."""

    def __init__(self, db):
        self.db, self.statements, self.refs = db, 0, 0

    def __enter__(self):
        event.listen(self.db.get_bind(), "before_cursor_execute", self._count_statement)
        event.listen(RefRow, "load", self._count_ref)
        return self

    def __exit__(self, *_):
        event.remove(self.db.get_bind(), "before_cursor_execute", self._count_statement)
        event.remove(RefRow, "load", self._count_ref)

    def _count_statement(self, *_):
        self.statements += 1

    def _count_ref(self, *_):
        self.refs += 1


@pytest.fixture
def work(db):
    """A function that does something in a session that knows no row, and tells what it took."""

    def take(what):
        db.expunge_all()
        with Work(db) as counted:
            return what(), counted

    return take


def test_looking_a_revision_up_does_not_load_every_ref(db, publish, clock, work):
    first = publish()
    for number in range(150):
        move_ref(db, "net", f"v{number:03}", "main", now=clock(), kind=RefKind.TAG)
    for what in (
        lambda: get_revision(db, "net", "v001"),
        lambda: get_revision(db, "net", first.id[:8]),
        lambda: publish("second"),
        lambda: set_private(db, "net", is_private=True),
    ):
        _, counted = work(what)
        assert counted.refs <= 2
    with pytest.raises(RevisionNotFound) as caught:
        get_revision(db, "net", "nothing")
    assert len(caught.value.detail["refs"]) == 100
    refs, counted = work(lambda: list_refs(db, "net"))
    assert (len(refs), counted.statements) == (151, 2)
    assert set_private(db, "net", is_private=False).refs == {ref.name: ref.revision for ref in refs}


def test_histories_take_few_statements_however_long_they_are(db, publish, work):
    made = [publish(f"text {number}") for number in range(30)]
    publish("text 3")  # main is there again: what led to it are the three before
    history, counted = work(lambda: list_history(db, "net", made[-1].id, limit=20))
    assert history == made[:9:-1]
    assert counted.statements < 10
    assert list_history(db, "net", "main", limit=20) == made[3::-1]
    moves, counted = work(lambda: list_moves(db, "net"))
    assert (len(moves), counted.statements) == (31, 2)
    page = list_moves(db, "net", limit=10)
    assert list_moves(db, "net", before=page[-1].number, limit=100) == moves[10:]


def test_sizes_are_found_among_all_revisions_of_one_model_in_one_statement(db, publish, work):
    for number in range(20):
        publish(f"text {number}")
    publish("of another", model="other")
    asked = [make_blob(text).digest for text in ("text 0", "text 19", "of another", "none")]
    found, counted = work(lambda: find_sizes(db, "net", asked))
    assert found == {asked[0]: 6, asked[1]: 7}
    assert counted.statements == 2
