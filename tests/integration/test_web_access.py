"""With tokens: every route declares its need, and nobody gets further than their roles reach."""

import base64
import io

import pytest

from zoo.domain.access import Role
from zoo.domain.revision import MAIN
from zoo.operations.accounts import create_token, grant_role
from zoo.operations.publish import Publication, publish, put_text
from zoo.web.access import Need, need_of
from zoo.web.reference import PARAMETER

PUBLIC = {
    "/v1/health",
    "/v2/health/live",
    "/v2/health/ready",
    "/openapi.json",
    "/docs",
    "/static/<path:filename>",
    "/api/validate-yaml",
    "/assets/<tag>/<path:name>",
    "/sign-in",
    "/sign-out",
}

# What is read though it is asked for by POST; of git-lfs's batch the operation says which it is.
READING = (
    "/try",
    "/predict",
    "/map",
    "/heatmap",
    "/validate-yaml",
    "/paths-info/<ref:ref>",
    "/batch",
    "/infer",
    "/repository/index",
)


@pytest.fixture
def app(make_app):
    return make_app(access="tokens")


@pytest.fixture
def zoo(app):
    """The app's zoo, as whoever is on its machine."""
    return app.extensions["zoo"]


@pytest.fixture
def asks(client, zoo):
    """A function that asks with a token of an account: asks(account, method, path, ...)."""

    def ask(account, method, path, role=Role.ADMIN, **options):
        headers = options.pop("headers", {})
        if account is not None:
            secret = create_token(zoo, account, role=role).secret
            headers["Authorization"] = f"Bearer {secret}"
        return client.open(path, method=method, headers=headers, **options)

    return ask


@pytest.fixture
def models(zoo):
    """A public model net, a public lab/open, a private lab/secret and its child ada/child."""

    def add(name, **more):
        files = {"README.md": put_text(zoo, name)}
        return publish(zoo, Publication(model=name, files=files, message="made", **more))

    for name in ("net", "lab/open", "lab/secret"):
        add(name)
    with zoo.catalog.writing() as db:
        db.connection().exec_driver_sql(
            "UPDATE models SET is_private = true WHERE name = 'lab/secret'"
        )
    add("ada/child", parent="lab/secret")


def rules(app):
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


def test_every_route_and_method_declares_what_it_asks_of_its_caller(app):
    with app.app_context():
        declared = {(rule.rule, method): need_of(rule.endpoint) for rule, method in rules(app)}
    assert None not in declared.values()
    open_to_all = {rule for (rule, _), need in declared.items() if need is Need.NOBODY}
    assert open_to_all == PUBLIC
    for (rule, method), need in declared.items():
        # Signing in and out changes the browser alone.
        is_reading = method == "GET" or rule.endswith(READING) or rule.startswith("/sign-")
        assert is_reading or need not in {Need.NOBODY, Need.READ}, (rule, method)


def test_nothing_but_the_public_pages_is_told_without_a_token(app, client):
    for rule, method in rules(app):
        if rule.rule in PUBLIC:
            continue
        path = PARAMETER.sub("1", rule.rule).replace("<path:", "").replace(">", "")
        answer = client.open(path, method=method)
        assert answer.status_code in {401, 403}, (method, path)


def test_a_view_that_declares_nothing_answers_nobody(app, client):
    app.add_url_rule("/v1/forgotten", "forgotten", lambda: "secret")
    answer = client.get("/v1/forgotten")
    assert answer.status_code == 403
    assert b"secret" not in answer.data


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer zoo_wrong", 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        (f"Bearer {'x' * 600}", 401),
        ("Digest x", 400),
        ("Basic x", 400),
        (f"Basic {base64.b64encode(b'user:zoo_wrong').decode()}", 401),
        ("", 400),
    ],
)
def test_a_wrong_token_is_refused_and_not_repeated(client, header, status):
    answer = client.get("/v1/models", headers={"Authorization": header})
    assert answer.status_code == status
    assert "wrong" not in answer.text
    assert (answer.headers.get("WWW-Authenticate") is not None) == (status == 401)


def test_a_token_may_come_as_the_password_of_basic(client, zoo):
    secret = create_token(zoo, "ada").secret
    header = "Basic " + base64.b64encode(f"ada:{secret}".encode()).decode()
    answer = client.get("/v1/whoami", headers={"Authorization": header})
    assert answer.json["account"] == "ada"


@pytest.mark.usefixtures("models")
def test_a_private_model_is_not_there_for_those_without_a_role(asks, zoo):
    paths = [
        "/v1/models/lab/secret",
        "/v1/models/lab/secret/revisions",
        f"/v1/models/lab/secret/revisions/{MAIN}",
        f"/v1/models/lab/secret/revisions/{MAIN}/files/README.md",
        "/v1/models/lab/secret/files/README.md",
        "/v1/models/lab/secret/layers",
    ]
    for path in paths:
        hidden, missing = asks("ada", "GET", path), asks("ada", "GET", path.replace("cret", "cre"))
        assert (hidden.status_code, hidden.json["error"]["code"]) == (404, "model_not_found")
        assert (
            hidden.json["error"]["message"].replace("cret", "cre")
            == (missing.json["error"]["message"])
        )
        assert "lab/secret" not in str(missing.json["error"]["hint"])
    grant_role(zoo, "ada", "lab", Role.READ)
    assert all(asks("ada", "GET", path).status_code == 200 for path in paths[:-1])


@pytest.mark.usefixtures("models")
def test_lists_hold_what_the_caller_may_see(asks, zoo):
    def names(account):
        return [model["name"] for model in asks(account, "GET", "/v1/models").json["models"]]

    create_token(zoo, "root")
    grant_role(zoo, "root", "*", Role.READ)
    assert names("ada") == ["ada/child", "lab/open", "net"]
    assert names("bob") == ["lab/open", "net"]
    assert names("lab") == ["lab/open", "lab/secret", "net"]
    assert names("root") == ["ada/child", "lab/open", "lab/secret", "net"]


@pytest.mark.usefixtures("models")
def test_what_is_made_of_a_private_model_is_private_and_its_origin_is_told_to_few(asks, zoo):
    path = f"/v1/models/ada/child/revisions/{MAIN}"
    assert asks("bob", "GET", path).status_code == 404
    assert asks("ada", "GET", path).json["parent"] is None
    grant_role(zoo, "ada", "lab", Role.READ)
    assert asks("ada", "GET", path).json["parent"].startswith("lab/secret@")


@pytest.mark.parametrize(
    ("role", "name", "status"),
    [
        (Role.WRITE, "ada/mine", 201),
        (Role.READ, "ada/mine", 403),
        (Role.ADMIN, "lab/theirs", 403),
        (Role.ADMIN, "nobodys", 403),
    ],
)
def test_a_model_is_published_by_those_who_may_write_its_owner(asks, zoo, role, name, status):
    data = {"README.md": (io.BytesIO(b"hello"), "README.md")}
    answer = asks("ada", "POST", f"/v1/models/{name}/revisions", role=role, data=data)
    assert answer.status_code == status
    told = asks(None, "GET", "/v1/models")
    assert told.status_code == 401
    with zoo.catalog.reading() as db:
        count = db.connection().exec_driver_sql("SELECT count(*) FROM models").scalar()
    assert count == (1 if status == 201 else 0)


def test_public_models_are_read_without_a_token_where_the_settings_say_so(make_app):
    app = make_app(access="tokens", anonymous_read=True)
    client = app.test_client()
    assert client.get("/v1/models").status_code == 200
    assert client.get("/v1/whoami").json["account"] == "anonymous"
    for method, path in [("GET", "/v1/tokens"), ("POST", "/v1/jobs"), ("GET", "/v1/audit")]:
        assert client.open(path, method=method, json={}).status_code == 401


@pytest.mark.parametrize("anonymous_read", [True, False])
def test_only_what_everyone_may_read_is_kept_by_caches_that_many_share(make_app, anonymous_read):
    app = make_app(access="tokens", anonymous_read=anonymous_read)
    zoo, client = app.extensions["zoo"], app.test_client()
    headers = {"Authorization": f"Bearer {create_token(zoo, 'ada').secret}"}
    for name, is_private in (("ada/secret", True), ("ada/open", False)):
        revision = publish(
            zoo,
            Publication(
                model=name,
                files={"a": put_text(zoo, name)},
                message="",
                is_private=is_private,
            ),
        )
        path = f"/v1/models/{name}/revisions/{revision.id}/files/a"
        answer = client.get(path, headers=headers)
        is_shared = anonymous_read and not is_private
        kept = "public" if is_shared else "private"
        assert answer.headers["Cache-Control"] == f"{kept}, max-age=31536000, immutable"
        assert ("authorization" in answer.vary) is not is_shared


@pytest.mark.usefixtures("models")
def test_a_change_of_a_model_that_is_refused_in_part_is_refused(asks, zoo):
    grant_role(zoo, "ada", "lab", Role.ADMIN)
    body = {"is_private": True, "name": "lab/secret"}
    assert asks("ada", "PATCH", "/v1/models/lab/open", json=body).status_code == 409
    assert asks("ada", "GET", "/v1/models/lab/open").json["is_private"] is False
    assert asks("ada", "PATCH", "/v1/models/lab/open", json={}).json["name"] == "lab/open"


def test_a_job_is_seen_by_who_asked_for_it(asks, zoo):
    from zoo.domain.job import JobKind  # noqa: PLC0415
    from zoo.operations.jobs import enqueue  # noqa: PLC0415

    enqueue(zoo, JobKind.ADVISE, {"model": "secret"})
    for method, path in [("GET", "/v1/jobs/1"), ("POST", "/v1/jobs/1/cancel")]:
        assert asks("ada", method, path).json["error"]["code"] == "job_not_found"
    assert asks("ada", "GET", "/v1/jobs").json["jobs"] == []


def test_tokens_and_roles_over_rest(asks, zoo):
    made = asks("ada", "POST", "/v1/tokens", json={"role": "read", "label": "laptop", "days": 1})
    assert (made.status_code, made.json["token"]["label"]) == (201, "laptop")
    number = made.json["token"]["id"]
    assert made.json["secret"] not in asks("ada", "GET", "/v1/tokens").text
    assert asks("bob", "DELETE", f"/v1/tokens/{number}").status_code == 404
    assert asks("ada", "DELETE", f"/v1/tokens/{number}").json["revoked_at"] is not None
    refused = asks("ada", "POST", "/v1/tokens", json={"account": "bob"})
    assert refused.status_code == 403
    given = asks("ada", "PUT", "/v1/accounts/bob/roles", json={"owner": "ada", "role": "read"})
    assert given.json["roles"] == {"ada": "read", "bob": "admin"}
    taken = asks("ada", "PUT", "/v1/accounts/bob/roles", json={"owner": "ada", "role": None})
    assert taken.json["roles"] == {"bob": "admin"}
    assert asks("ada", "GET", "/v1/audit").status_code == 403
    grant_role(zoo, "root", "*", Role.ADMIN)
    log = asks("root", "GET", "/v1/audit?limit=2&subject=bob").json
    assert [one["action"] for one in log["entries"]] == ["role.withdraw", "role.grant"]
    assert log["next"] == log["entries"][-1]["number"]
    assert [one["name"] for one in asks("root", "GET", "/v1/accounts").json["accounts"]] == [
        "ada",
        "bob",
        "root",
    ]


def test_who_asks_too_often_is_told_when_to_go_on(make_app):
    client = make_app(access="tokens", anonymous_read=True, requests_per_minute=3).test_client()
    answers = [client.get("/v1/models") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 21
    assert client.get("/v1/health").status_code == 200


def test_wrong_tokens_are_counted_by_the_address_they_come_from(make_app):
    app = make_app(access="tokens", requests_per_minute=3)
    client = app.test_client()
    secret = create_token(app.extensions["zoo"], "ada").secret

    def ask(token, remote="192.0.2.7"):
        headers = {"Authorization": f"Bearer {token}"}
        return client.get(
            "/v1/models", headers=headers, environ_base={"REMOTE_ADDR": remote}
        ).status_code

    assert [ask(f"zoo_{number}") for number in range(3)] == [401] * 3
    assert ask("zoo_4") == 429
    assert ask("zoo_4", remote="192.0.2.8") == 401
    assert ask(secret) == 200  # Others behind the same address go on.


@pytest.mark.parametrize(
    ("settings", "remote", "status"),
    [
        ({}, "127.0.0.1", 200),
        ({}, "192.0.2.7", 401),
        ({"host": "0.0.0.0"}, "127.0.0.1", 401),
        ({"trusted_hosts": ("zoo.example.org",)}, "127.0.0.1", 401),
        ({"trusted_hosts": ("zoo.example.org",), "access": "open"}, "127.0.0.1", 200),
        ({"access": "tokens"}, "127.0.0.1", 401),
    ],
    ids=str,
)
def test_only_loopback_by_itself_is_open(make_app, settings, remote, status):
    client = make_app(**settings).test_client()
    answer = client.get("/v1/models", environ_base={"REMOTE_ADDR": remote})
    assert answer.status_code == status


def test_with_tokens_addresses_are_own_names_and_foreign_names_are_not(client, zoo):
    secret = create_token(zoo, "ada").secret
    for host, status in [("192.0.2.1:8080", 200), ("[2001:db8::1]", 200), ("evil.example", 403)]:
        headers = {"Host": host, "Authorization": f"Bearer {secret}"}
        assert client.get("/v1/models", headers=headers).status_code == status
