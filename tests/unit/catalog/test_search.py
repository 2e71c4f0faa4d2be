"""Searches find what a walk over all models finds, and facets count it, whatever has changed."""

import hashlib
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import numpy as np
import pytest

from zoo.catalog import garbage, lifecycle
from zoo.catalog.index import ModelIndex
from zoo.catalog.models import search_models
from zoo.catalog.publishing import NewRevision, add_revision
from zoo.catalog.refs import move_ref
from zoo.catalog.searching import count_sizes
from zoo.domain.access import ANONYMOUS, LOCAL, Caller, Role, owner_of
from zoo.domain.revision import Blob
from zoo.domain.search import ANY, Facet, ModelWish, Size, Traits

LATER = datetime(2100, 1, 1, tzinfo=UTC)
ADA = Caller(account="ada", roles={"ada": Role.READ})


def make_revision(model, content="first", *, classes=None, **values):
    digest = hashlib.sha256(content.encode()).hexdigest()
    return NewRevision(
        model=model,
        files={"README.md": Blob(digest=digest, size_bytes=len(content))},
        message=content,
        traits=Traits(
            values={Facet(name): tuple(found) for name, found in values.items()},
            sizes={} if classes is None else {Size.CLASSES: classes},
        ),
    )


@pytest.fixture
def index():
    return ModelIndex()


@pytest.fixture
def publish(db, clock):
    """Publish a revision of a model with some traits."""
    return lambda *model, **traits: add_revision(db, make_revision(*model, **traits), now=clock())


@pytest.fixture
def found(db, index):
    """Search and give what was found; by name alone, rows and the index find the same."""

    def found(wish=ANY, *, caller=LOCAL, **more):
        told = search_models(db, index, wish, caller=caller, **{"most_values": 100, **more})
        if not wish.is_by_traits:
            alone = {**more, "most_values": 0}
            by_rows = search_models(db, ModelIndex(), wish, caller=caller, **alone)
            assert by_rows == replace(told, facets=())
        return told

    return found


def names(found):
    return [model.name for model in found.models]


def counts(found):
    """Give the counts by facet and value."""
    return {
        one.facet: {value.value: value.count for value in one.values}
        for one in found.facets
        if one.values
    }


def test_an_empty_catalog_has_nothing_to_find(found):
    nothing = found()
    assert (nothing.models, nothing.next, nothing.total) == ((), None, 0)
    assert counts(nothing) == {}


def test_models_are_searched_by_name_and_by_owner(publish, found):
    for name in ("lab/Alex-net", "lab/resnet", "other/alexnet", "lab_x/net", "LAB/x", "alone"):
        publish(name)
    assert names(found(ModelWish(search="ALEX"))) == ["lab/Alex-net", "other/alexnet"]
    assert names(found(ModelWish(search="net", owner="lab"))) == ["lab/Alex-net", "lab/resnet"]
    assert names(found(ModelWish(owner="lab_x"))) == ["lab_x/net"]
    assert names(found(ModelWish(owner=""))) == ["alone"]
    for nothing in ("%", "n%t", "net\0lab", "lab/alex-netx", "a" * 300, "é", "\udce9"):
        assert names(found(ModelWish(search=nothing))) == []
    for letters in ("e", "x", "alone", "LAB/X", "/", "-n"):
        expected = [name for name in names(found()) if letters.lower() in name.lower()]
        assert names(found(ModelWish(search=letters))) == expected
    assert names(found(ModelWish(owner="la%"))) == names(found(ModelWish(owner="Lab"))) == []
    page = found(ModelWish(search="net"), after="lab/Alex-net", limit=1)
    assert names(page) == ["lab/resnet"]
    assert (page.total, page.next) == (4, "lab/resnet")


def test_pages_follow_each_other_and_the_last_says_so(publish, found):
    for name in ("e", "a", "d/x", "c", "b"):
        publish(name)
    seen, after = [], ""
    while after is not None:
        page = found(after=after, limit=2)
        seen.append(names(page))
        after = page.next
    assert seen == [["a", "b"], ["c", "d/x"], ["e"]]
    assert found(limit=5).next is None


def test_facets_count_the_models_that_were_found(publish, found):
    publish("ada/a", architecture=["alexnet"], tag=["vision", "small"], classes=10)
    publish("ada/b", architecture=["alexnet"], tag=["vision"], classes=0)
    publish("c", architecture=["vgg"], classes=9)
    publish("d", classes=1000)
    publish("e")
    every = found()
    assert counts(every) == {
        "owner": {"": 3, "ada": 2},
        "architecture": {"alexnet": 2, "vgg": 1},
        "tag": {"vision": 2, "small": 1},
        "classes": {"0": 1, "1-9": 1, "10-99": 1, "1000-9999": 1},
    }
    of_ada = counts(found(ModelWish(values={Facet.OWNER: ("ada",)})))
    assert of_ada["architecture"] == {"alexnet": 2}
    assert of_ada["classes"] == {"0": 1, "10-99": 1}


def test_of_many_values_the_most_frequent_are_told_and_the_rest_are_counted(publish, found):
    for number, licence in enumerate(("mit", "bsd", "mit", "apache", "zlib")):
        publish(f"m{number}", licence=[licence])
    (licences,) = [one for one in found(most_values=2).facets if one.facet == "licence"]
    assert [(one.value, one.count) for one in licences.values] == [("mit", 2), ("apache", 1)]
    assert licences.different == 4
    assert found(most_values=0).facets == ()


def test_values_of_one_facet_are_alternatives_and_tags_are_not(publish, found):
    publish("a", licence=["mit"], tag=["x", "y"])
    publish("b", licence=["bsd"], tag=["y"])
    publish("c", licence=["gpl"], tag=["x"])

    def of(**values):
        return names(found(ModelWish(values={Facet(key): told for key, told in values.items()})))

    assert of(licence=("mit", "bsd")) == ["a", "b"]
    assert of(tag=("x", "y")) == ["a"]
    assert of(licence=("mit", "gpl"), tag=("x",)) == ["a", "c"]
    assert of(licence=("none",)) == of(tag=("x", "none")) == []
    assert of(licence=()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (10, None, ["ten", "thousand"]),
        (None, 10, ["none", "ten"]),
        (10, 10, ["ten"]),
        (0, None, ["none", "ten", "thousand"]),
        (11, 10, []),
        (None, 2**63 - 1, ["none", "ten", "thousand"]),
    ],
)
def test_sizes_are_asked_from_and_to_and_an_unknown_one_is_neither(
    publish, found, least, most, expected
):
    for name, classes in (("none", 0), ("ten", 10), ("thousand", 1000), ("unknown", None)):
        publish(name, classes=classes)
    wish = ModelWish(
        least={} if least is None else {Size.CLASSES: least},
        most={} if most is None else {Size.CLASSES: most},
    )
    assert names(found(wish)) == expected


@pytest.mark.parametrize("power", range(1, 19))
def test_steps_of_sizes_begin_at_powers_of_ten_exactly(power):
    steps = count_sizes(Size.CLASSES, np.array([10**power - 1, 10**power, -1]))
    assert [one.count for one in steps.values] == [1, 1]
    assert steps.values[1].value == f"{10**power}-{10 ** (power + 1) - 1}"


def test_a_model_is_found_by_what_main_points_to(db, publish, found, clock):
    first = publish("net", "first", licence=["mit"])
    publish("net", "second", licence=["bsd"])
    assert counts(found())["licence"] == {"bsd": 1}
    move_ref(db, "net", "main", first.id, now=clock())
    assert counts(found())["licence"] == {"mit": 1}
    move_ref(db, "net", "v1", "main", now=clock())
    assert counts(found())["licence"] == {"mit": 1}


def test_a_model_without_main_is_found_by_its_name_alone(db, found, clock):
    new = make_revision("net", licence=["mit"])
    draft = NewRevision(model="net", files=new.files, message="", traits=new.traits, ref="draft")
    add_revision(db, draft, now=clock())
    assert counts(found()) == {"owner": {"": 1}}


def test_private_models_are_found_and_counted_by_those_who_may_see_them(db, publish, found):
    for name in ("ada/open", "ada/hidden", "eve/hidden", "hidden", "ADA/also-hidden"):
        publish(name, licence=[name.replace("/", "-")])
        if name.endswith("hidden"):
            lifecycle.set_private(db, name, is_private=True)
    assert names(found())[1:] == ["ada/hidden", "ada/open", "eve/hidden", "hidden"]
    assert names(found(caller=ADA)) == ["ada/hidden", "ada/open"]
    assert set(counts(found(caller=ADA))["licence"]) == {"ada-hidden", "ada-open"}
    assert counts(found(caller=ANONYMOUS)) == {"owner": {"ada": 1}, "licence": {"ada-open": 1}}
    assert found(ModelWish(search="hidden"), caller=ANONYMOUS).total == 0
    lifecycle.set_private(db, "eve/hidden", is_private=False)
    assert names(found(caller=ANONYMOUS)) == ["ada/open", "eve/hidden"]


def test_what_becomes_of_models_is_seen_by_the_next_search(db, publish, found, clock):
    publish("ada/net", licence=["mit"])
    publish("other", licence=["mit"])
    assert counts(found())["licence"] == {"mit": 2}
    lifecycle.delete_model(db, "ada/net", now=clock())
    assert counts(found()) == {"owner": {"": 1}, "licence": {"mit": 1}}
    lifecycle.restore_model(db, "ada/net")
    assert counts(found())["owner"] == {"": 1, "ada": 1}
    lifecycle.rename_model(db, "ada/net", "bob/zoo", now=clock())
    assert names(found()) == ["bob/zoo", "other"]
    assert counts(found())["owner"] == {"": 1, "bob": 1}
    lifecycle.delete_model(db, "other", now=clock())
    garbage.purge_model(db, "other", before=LATER)
    assert names(found()) == ["bob/zoo"]


def test_an_index_that_never_saw_a_deletion_drops_what_was_swept(db, publish, found, clock):
    publish("gone")
    publish("stays")
    assert found().total == 2
    lifecycle.delete_model(db, "gone", now=clock())
    garbage.purge_model(db, "gone", before=LATER)
    publish("new")  # SQLite may give it the key of the one that is gone.
    assert names(found()) == ["new", "stays"]


class Changes:
    """Random changes of models, all of one seed."""

    def __init__(self, db, clock):
        self.db, self.clock, self.known = db, clock, []
        self.draw = random.Random(0)

    def make(self, step):
        """Make one change, of a model that is there or new."""
        kinds = [self.add, self.add, self.add, self.hide, self.rename, self.restore, self.purge]
        change = self.draw.choice(kinds) if self.known else self.add
        change(step)

    def add(self, step):
        name = self.draw.choice([f"n{step}", f"ada/n{step}", f"bob/n{step}", *self.known[:3]])
        new = make_revision(
            name,
            f"content {step}",
            classes=self.draw.choice([None, 0, 3, 10, 1000]),
            licence=self.draw.choice([[], ["mit"], ["bsd"]]),
            tag=self.draw.sample(["a", "b", "c"], self.draw.randrange(3)),
        )
        add_revision(self.db, new, now=self.clock())
        self.known = sorted({*self.known, name})

    def hide(self, step):
        lifecycle.set_private(self.db, self.draw.choice(self.known), is_private=step % 2 == 0)

    def rename(self, step):
        name = self._take()
        lifecycle.rename_model(self.db, name, f"cid/r{step}", now=self.clock())
        self.known.append(f"cid/r{step}")

    def restore(self, _step):
        name = self.draw.choice(self.known)
        lifecycle.delete_model(self.db, name, now=self.clock())
        lifecycle.restore_model(self.db, name)

    def purge(self, _step):
        name = self._take()
        lifecycle.delete_model(self.db, name, now=self.clock())
        garbage.purge_model(self.db, name, before=LATER)

    def _take(self):
        return self.known.pop(self.draw.randrange(len(self.known)))


def test_an_index_kept_up_to_date_is_the_one_made_anew(db, index, clock):
    """After every fifth of 60 changes, an index that saw them come and a new one are asked."""
    changes = Changes(db, clock)
    wish = ModelWish(values={Facet.LICENCE: ("mit", "bsd")}, least={Size.CLASSES: 3})
    for step in range(60):
        changes.make(step)
        if step % 5:
            continue
        for caller, asked in product((LOCAL, ADA, ANONYMOUS), (ANY, wish)):
            kept, anew = (
                search_models(db, one, asked, caller=caller, limit=1000, most_values=50)
                for one in (index, ModelIndex())
            )
            assert kept == anew
            assert kept.total == len(kept.models)
        kept, anew = index.at(db), ModelIndex().at(db)
        for array in ("names", "letters", "begins", "pks", "is_private"):
            np.testing.assert_array_equal(getattr(kept, array), getattr(anew, array))
        assert kept.letters.tobytes().decode().split("\0")[1:-1] == [
            name.lower() for name in kept.names
        ]
        every = search_models(db, index, ANY, caller=LOCAL, limit=1000, most_values=50)
        assert names(every) == sorted(changes.known)
        assert counts(every).get("owner", {}) == Counter(map(owner_of, changes.known))


def test_threads_that_search_while_models_are_added_see_whole_states(catalog, clock):
    index, total = ModelIndex(), 12

    def add(number):
        with catalog.writing() as db:
            add_revision(db, make_revision(f"m{number:02}", licence=["mit"]), now=clock())

    def look(_):
        with catalog.reading() as db:
            found = search_models(db, index, ANY, caller=LOCAL, most_values=10)
        licences = next(one for one in found.facets if one.facet == "licence")
        return found.total, sum(one.count for one in licences.values)

    with ThreadPoolExecutor(4) as pool:
        adding = [pool.submit(add, number) for number in range(total)]
        seen = list(pool.map(look, range(24)))
        for one in adding:
            one.result()
    assert all(found == counted for found, counted in seen)
    assert look(None) == (total, total)


def test_a_search_while_the_index_is_made_is_right_and_waits_for_nobody(
    catalog, clock, monkeypatch
):
    monkeypatch.setattr("zoo.catalog.snapshot.LOADED_AT_ONCE", 1)
    index, is_begun, may_go_on = ModelIndex(), threading.Event(), threading.Event()

    def add(name):
        with catalog.writing() as db:
            add_revision(db, make_revision(name, licence=["mit"]), now=clock())

    def look(wish=ANY, **more):
        with catalog.reading() as db:
            return search_models(db, index, wish, caller=LOCAL, **more)

    def pause():
        is_begun.set()
        assert may_go_on.wait(60)

    def make():
        with catalog.reading() as db:
            index.at(db, pause=pause)

    for name in ("lab/a", "lab/b", "net"):
        add(name)
    with ThreadPoolExecutor(2) as pool:
        making = pool.submit(make)
        assert is_begun.wait(60)
        add("lab/c")
        assert names(look(limit=3)) == ["lab/a", "lab/b", "lab/c"]
        assert look(limit=3).next == "lab/c"
        assert look(ModelWish(search="LAB"), limit=2).total == 3
        assert names(look(ModelWish(owner=""))) == ["net"]
        counting = pool.submit(look, most_values=10)  # This is answered by the index alone.
        assert not index.is_made
        may_go_on.set()
        making.result()
        assert counts(counting.result())["licence"] == {"mit": 4}
    assert index.is_made
    assert look().total == 4


def test_an_index_that_is_given_up_half_made_is_made_by_who_asks_next(db, publish, found, index):
    publish("net", licence=["mit"])

    def give_up():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.at(db, pause=give_up)
    assert not index.is_made
    assert counts(found())["licence"] == {"mit": 1}
