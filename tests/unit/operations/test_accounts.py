"""Tokens: made, shown once, limited, ended; roles given and taken by those who may."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from zoo.domain.access import ANONYMOUS, Role
from zoo.errors import AccountNotFound, BadName, Forbidden, Invalid, TokenNotFound, Unauthenticated
from zoo.operations.access import list_audit
from zoo.operations.accounts import (
    authenticate,
    create_first_admin,
    create_token,
    grant_role,
    list_accounts,
    list_tokens,
    revoke_token,
    withdraw_role,
)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def zoo(zoo, clock):
    return replace(zoo, clock=clock)


@pytest.fixture
def as_ada(zoo):
    """A function that opens the zoo as the account ada, by a token of some role and owner."""

    def open_as(role=Role.ADMIN, owner=None):
        secret = create_token(zoo, "ada", role=role, owner=owner).secret
        return replace(zoo, caller=authenticate(zoo, secret))

    return open_as


def test_a_secret_is_known_again_and_is_kept_nowhere(zoo):
    new = create_token(zoo, "ada")
    caller = authenticate(zoo, new.secret)
    assert (caller.account, caller.roles) == ("ada", {"ada": Role.WRITE})
    with zoo.catalog.reading() as db:
        kept = "\n".join(db.connection().connection.driver_connection.iterdump())
    assert hashlib.sha256(new.secret.encode()).hexdigest() in kept
    assert new.secret not in kept


def test_two_secrets_are_never_alike(zoo):
    assert len({create_token(zoo, "ada").secret for _ in range(20)}) == 20


def test_anything_but_the_secret_itself_opens_nothing(zoo):
    secret = create_token(zoo, "ada").secret
    digest = hashlib.sha256(secret.encode()).hexdigest()
    for wrong in (secret.upper(), secret[:-1], f"{secret} ", secret[4:], digest, "", "\0"):
        with pytest.raises(Unauthenticated):
            authenticate(zoo, wrong)


def test_a_token_ends_at_its_time(zoo, clock):
    secret = create_token(zoo, "ada", days=2).secret
    clock.now += timedelta(days=2, seconds=-1)
    authenticate(zoo, secret)
    clock.now += timedelta(seconds=1)
    with pytest.raises(Unauthenticated):
        authenticate(zoo, secret)


@pytest.mark.parametrize("days", [0, -1, 1e9, float("nan")])
def test_a_time_that_is_none_is_refused_and_no_token_is_made(zoo, days):
    with pytest.raises(Invalid):
        create_token(zoo, "ada", days=days)
    assert list_tokens(zoo) == []


def test_a_revoked_token_opens_nothing_and_stays_revoked(zoo, clock):
    new = create_token(zoo, "ada")
    first = revoke_token(zoo, new.token.id)
    clock.now += timedelta(days=1)
    assert revoke_token(zoo, new.token.id).revoked_at == first.revoked_at
    with pytest.raises(Unauthenticated):
        authenticate(zoo, new.secret)


def test_the_use_of_a_token_is_written_down_to_the_hour(zoo, clock):
    new = create_token(zoo, "ada")
    used = []
    for minutes in (0, 30, 31):
        clock.now += timedelta(minutes=minutes)
        authenticate(zoo, new.secret)
        used.append(list_tokens(zoo)[0].used_at)
    assert used[0] == used[1] < used[2] == clock.now


@pytest.mark.parametrize("name", ["local", "anonymous", "a b", "", "*", "a/b", "../x", "a" * 97])
def test_some_names_are_no_accounts(zoo, name):
    for make in (
        lambda: create_token(zoo, name),
        lambda: grant_role(zoo, name, "lab", Role.READ),
    ):
        with pytest.raises(BadName):
            make()
    assert list_accounts(zoo) == []


def test_the_first_admin_is_made_once(zoo):
    first = create_first_admin(zoo)
    assert authenticate(zoo, first.secret).rules
    assert create_first_admin(zoo) is None
    assert len(list_tokens(zoo)) == 1


def test_an_account_makes_tokens_that_allow_no_more_than_the_one_at_hand(zoo, as_ada):
    grant_role(zoo, "ada", "lab", Role.WRITE)
    for role, owner in [(Role.WRITE, None), (Role.READ, "lab"), (Role.WRITE, "ada")]:
        create_token(as_ada(Role.WRITE), "ada", role=role, owner=owner)
    for held, wanted in [
        ((Role.WRITE, None), (Role.ADMIN, None)),
        ((Role.READ, None), (Role.WRITE, None)),
        ((Role.WRITE, "lab"), (Role.WRITE, "ada")),
    ]:
        with pytest.raises(Forbidden):
            create_token(as_ada(*held), "ada", role=wanted[0], owner=wanted[1])


def test_a_token_makes_none_for_another_owner_or_a_longer_time(zoo, clock):
    grant_role(zoo, "ada", "lab", Role.WRITE)
    first = create_token(zoo, "ada", role=Role.READ, owner="ada", days=1)
    ends = clock.now + timedelta(days=1)
    ada = replace(zoo, caller=authenticate(zoo, first.secret))
    for days, expires_at in ((None, ends), (9, ends), (0.5, clock.now + timedelta(days=0.5))):
        made = create_token(ada, "ada", role=Role.READ, days=days)
        assert (made.token.owner, made.token.expires_at) == ("ada", expires_at)
        assert authenticate(zoo, made.secret).roles == {"ada": Role.READ}


def test_who_looks_after_the_zoo_gives_others_tokens_of_any_time_and_itself_none(zoo):
    grant_role(zoo, "root", "*", Role.ADMIN)
    secret = create_token(zoo, "root", role=Role.ADMIN, days=1).secret
    root = replace(zoo, caller=authenticate(zoo, secret))
    assert create_token(root, "ada").token.expires_at is None
    assert create_token(root, "root").token.expires_at is not None


def test_a_token_ends_itself_and_those_that_allow_no_more(zoo, as_ada):
    widest = create_token(zoo, "ada", role=Role.ADMIN).token.id
    narrow = create_token(zoo, "ada", role=Role.READ, owner="ada").token.id
    other = create_token(zoo, "ada", role=Role.READ, owner="lab").token.id
    reading = as_ada(Role.READ, "ada")
    for number in (widest, other):
        with pytest.raises(Forbidden):
            revoke_token(reading, number)
    assert [one.id for one in list_tokens(zoo) if one.revoked_at is not None] == []
    for caller, number in (
        (reading, narrow),
        (reading, reading.caller.shown.id),
        (as_ada(Role.WRITE), other),
        (as_ada(), widest),
    ):
        assert revoke_token(caller, number).revoked_at is not None


def test_nobody_makes_a_token_of_another_account(zoo, as_ada):
    create_token(zoo, "bob")
    for caller in (as_ada(), replace(zoo, caller=ANONYMOUS)):
        with pytest.raises(Forbidden):
            create_token(caller, "bob", role=Role.READ)


def test_an_account_sees_and_ends_its_own_tokens_only(zoo, as_ada):
    bobs = create_token(zoo, "bob").token
    ada = as_ada()
    (own,) = list_tokens(ada)
    assert own.account == "ada"
    with pytest.raises(TokenNotFound):
        revoke_token(ada, bobs.id)
    with pytest.raises(TokenNotFound):
        revoke_token(ada, 99)
    assert revoke_token(ada, own.id).revoked_at is not None


def test_an_account_rules_its_own_name_and_nothing_else(as_ada):
    ada = as_ada()
    assert grant_role(ada, "bob", "ada", Role.READ).roles["ada"] is Role.READ
    for owner in ("lab", "*", ""):
        with pytest.raises(Forbidden):
            grant_role(ada, "ada", owner, Role.WRITE)
        with pytest.raises(Forbidden):
            withdraw_role(ada, "bob", owner)


def test_a_role_that_was_taken_away_counts_no_longer_for_tokens_made_before(zoo):
    grant_role(zoo, "ada", "lab", Role.WRITE)
    secret = create_token(zoo, "ada").secret
    assert authenticate(zoo, secret).may(Role.WRITE, "lab/net")
    withdraw_role(zoo, "ada", "lab")
    assert not authenticate(zoo, secret).may(Role.READ, "lab/net")
    with pytest.raises(AccountNotFound):
        withdraw_role(zoo, "carol", "lab")


def test_every_change_is_in_the_log_which_only_those_may_read_who_look_after_the_zoo(zoo, as_ada):
    ada = as_ada()
    grant_role(ada, "bob", "ada", Role.READ)
    told = [(one.account, one.action, one.subject) for one in list_audit(zoo)]
    assert told == [("ada", "role.grant", "bob"), ("local", "token.create", "ada")]
    assert [one.number for one in list_audit(zoo, subject="bob")] == [2]
    assert [one.number for one in list_audit(zoo, before=2)] == [1]
    for look in (list_audit, list_accounts):
        with pytest.raises(Forbidden):
            look(ada)
