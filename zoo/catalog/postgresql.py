"""PostgreSQL as a catalog: what keeps one lost machine from holding up all others.

Writers come one after another, so one that is frozen in its transaction, or cut off from the
network, would stop them all. The server ends a transaction that writes and has asked nothing for
half a lease; whoever waits gives up a little later than that. Both are shorter than a lease: who
waits for such a holder gets through, or tries again, before its own lease has run out.
"""

from sqlalchemy import URL, Connection

WRITERS = 0x7A6F6F  # the advisory lock that writers take: "zoo"
SHORTEST_IDLE_S, LONGEST_IDLE_S = 5.0, 30.0  # a busy machine may pause; nobody waits for minutes
MARGIN_S = 10.0  # from the end of an idle holder to that of those who wait for it
CONNECT_S = 10
# A server that is cut off is noticed by the client within 30 s: probes after 10 s, at 14, 18, 22 s;
# bytes that it does not acknowledge are given up after 30 s.
REACHED = {
    "connect_timeout": CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 4,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
DAMAGED = ("XX001", "XX002")  # data_corrupted, index_corrupted


def connect_args(url: URL) -> dict[str, object]:
    """Give how to connect, beside what the URL says itself."""
    if url.get_backend_name() != "postgresql" or not url.get_driver_name().startswith("psycopg"):
        return {}
    return {name: value for name, value in REACHED.items() if name not in url.query}


def find_limits_ms(lease_s: float) -> tuple[int, int]:
    """Say how long who writes may be idle, and how long others wait for it, in milliseconds."""
    idle_s = min(max(lease_s / 2, SHORTEST_IDLE_S), LONGEST_IDLE_S)
    return round(1000 * idle_s), round(1000 * (idle_s + MARGIN_S))


def begin_writing(connection: Connection, *, lease_s: float | None) -> None:
    """Let one writer in at a time, as SQLite does: two who add the same name would collide.

    ``lease_s`` is None where a transaction may take its time, and wait for as long.
    """
    limits = ""
    if lease_s is not None:
        idle_ms, wait_ms = find_limits_ms(lease_s)
        # Of this transaction alone, in the statement that takes the lock: no further round trip.
        limits = (
            f"set_config('idle_in_transaction_session_timeout', '{idle_ms}', true),"
            f" set_config('lock_timeout', '{wait_ms}', true), "
        )
    connection.exec_driver_sql(f"SELECT {limits}pg_advisory_xact_lock({WRITERS})")


def find_state(error: BaseException | None) -> str | None:
    """Give the SQLSTATE of what the server said; None where it was not reached, or said nothing."""
    return getattr(error, "sqlstate", None)
