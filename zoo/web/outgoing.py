"""Answers that their clients do not take: how far they came, by what the system says was received.

A thread that sends waits until its client reads, and a hundred clients that read nothing would have
them all. Probes of a closed window are acknowledged for ever, so no timeout of TCP ends them; what
counts is how many bytes of answers were acknowledged.
"""

import array
import contextlib
import socket
import struct
from dataclasses import dataclass

from zoo.web.body import PATIENCE_S, SILENCE_S, SLOWEST_BYTES_PER_S

INFO_BYTES, ACKNOWLEDGED_AT = 136, 120  # of Linux's tcp_info: its tcpi_bytes_acked, 8 bytes
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what was not sent is dropped when it is closed


@dataclass(slots=True)
class Outgoing:
    """What is being sent on a connection."""

    connection: socket.socket
    since_s: float | None = None  # when this minute of sending began; None where nothing waits
    first: int = 0  # bytes that were acknowledged then
    last: int = 0
    moved_s: float = 0.0  # when it last got further

    def is_too_slow(self, now_s: float) -> bool:
        """Tell whether its client takes next to nothing; each minute counts by itself.

        So one that is slow and steady may go on for hours, and one that was quick before may not
        stand still. While nothing waits to be sent, it is we who are slow.
        """
        acknowledged = _acknowledged(self.connection)
        if acknowledged is None or not _waiting_bytes(self.connection):
            self.since_s = None
            return False
        if self.since_s is None:
            self.since_s = self.moved_s = now_s
            self.first = self.last = acknowledged
        if acknowledged != self.last:
            self.last, self.moved_s = acknowledged, now_s
        if now_s - self.moved_s > SILENCE_S:
            return True
        taken_s = now_s - self.since_s
        if taken_s < PATIENCE_S:
            return False
        is_slow = acknowledged - self.first < SLOWEST_BYTES_PER_S * taken_s
        self.since_s, self.first = now_s, acknowledged
        return is_slow

    def end(self) -> None:
        """Close both sides, so that whoever waits to send hears it; the rest is dropped."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.connection.shutdown(socket.SHUT_RDWR)


def _acknowledged(connection: socket.socket) -> int | None:
    """Tell how many bytes the other side has received; None where the system does not say."""
    kind = getattr(socket, "TCP_INFO", None)
    if kind is None:
        return None
    with contextlib.suppress(OSError, struct.error):
        told = connection.getsockopt(socket.IPPROTO_TCP, kind, INFO_BYTES)
        return int(struct.unpack_from("=Q", told, ACKNOWLEDGED_AT)[0])
    return None


def _waiting_bytes(connection: socket.socket) -> int:
    """Count the bytes that were given to the system and not acknowledged."""
    import fcntl  # noqa: PLC0415  # where TCP_INFO is, it is
    import termios  # noqa: PLC0415  # likewise

    told = array.array("i", [0])
    fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, told)
    return told[0]
