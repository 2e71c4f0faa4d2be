"""Roles are for owners, and a token never allows more than its account may do."""

import pytest

from zoo.domain.access import ANONYMOUS, LOCAL, Caller, Role, owner_of


@pytest.mark.parametrize(
    ("name", "owner"), [("net", ""), ("lab/net", "lab"), ("*/net", "*"), ("", "")]
)
def test_the_owner_is_what_stands_before_the_slash(name, owner):
    assert owner_of(name) == owner


def test_a_role_may_do_what_those_below_it_may():
    held = [[one.covers(other) for other in Role] for one in Role]
    assert held == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_role_counts_for_its_owner_alone():
    caller = Caller(account="ada", roles={"ada": Role.ADMIN, "lab": Role.READ})
    assert caller.may(Role.WRITE, "ada/net")
    assert caller.may(Role.READ, "lab/net")
    assert not caller.may(Role.WRITE, "lab/net")
    for name in ("net", "labs/net", "la/net", "other/net"):
        assert not caller.may(Role.READ, name)
    assert not caller.rules


def test_whoever_is_on_the_machine_may_do_everything_and_a_stranger_nothing():
    for name in ("net", "lab/net"):
        assert LOCAL.may(Role.ADMIN, name)
        assert not ANONYMOUS.may(Role.READ, name)
    assert LOCAL.rules
    assert not ANONYMOUS.may_somewhere(Role.READ)


@pytest.mark.parametrize(
    ("role", "owner", "roles"),
    [
        (Role.ADMIN, None, {"ada": Role.ADMIN, "lab": Role.WRITE}),
        (Role.WRITE, None, {"ada": Role.WRITE, "lab": Role.WRITE}),
        (Role.READ, None, {"ada": Role.READ, "lab": Role.READ}),
        (Role.ADMIN, "lab", {"lab": Role.WRITE}),
        (Role.READ, "lab", {"lab": Role.READ}),
        (Role.ADMIN, "other", {}),
        (Role.ADMIN, "", {}),
    ],
)
def test_a_token_limits_the_roles_of_its_account(role, owner, roles):
    caller = Caller(account="ada", roles={"ada": Role.ADMIN, "lab": Role.WRITE})
    assert caller.limited(role, owner).roles == roles


def test_a_token_for_one_owner_takes_the_role_for_all_owners_there_and_no_further():
    ruler = Caller(account="root", roles={"*": Role.ADMIN, "lab": Role.READ})
    limited = ruler.limited(Role.WRITE, "lab")
    assert limited.roles == {"lab": Role.WRITE}
    assert not limited.rules
    assert not limited.may(Role.READ, "net")
