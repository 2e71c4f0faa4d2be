"""Fifty open pages of a job ask again and again, and pin no thread of the server."""

import http.client
import json
from pathlib import Path

import pytest

PAGES = 50
THREADS = 4  # of the web process
OK, KNOWN = 200, 304


class Page:
    """Asks for a job as its page does: the page itself, then what is new."""

    def __init__(self, server, job):
        host, port = server.url.removeprefix("http://").split(":")
        self.connection = http.client.HTTPConnection(host, int(port))
        self.job, self.after, self.tags = job, 0, {}

    def ask(self, path, **headers):
        """Ask on the same connection, or on another one where the server closed it meanwhile."""
        for is_last in (False, True):
            try:
                self.connection.request("GET", path, headers=headers)
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.HTTPException, ConnectionError):
                self.connection.close()
                if is_last:
                    raise
        raise AssertionError

    def open(self):
        status, _, body = self.ask(f"/jobs/{self.job}", Accept="text/html")
        assert status == OK
        assert b'id="job"' in body

    def poll(self):
        path = f"/v1/jobs/{self.job}?after={self.after}"
        tag = {"If-None-Match": self.tags[path]} if path in self.tags else {}
        status, headers, body = self.ask(path, **tag)
        if status == OK:
            self.tags[path] = headers["ETag"]
            events = json.loads(body)["events"]
            self.after = events[-1]["number"] if events else self.after
        return status


@pytest.mark.usefixtures("imported")
def test_open_pages_of_a_job_leave_the_threads_to_others(serve, zoo_command):
    def count_threads():
        tasks = (Path(f"/proc/{number}/task") for number in zoo_command.processes())
        return sum(len(list(folder.iterdir())) for folder in tasks)

    with serve(ZOO_WEB_THREADS=str(THREADS), ZOO_WORKER_SLOTS="0") as server:
        assert server.ask("/v1/models")[0] == OK
        before = count_threads()
        # Nobody works on it, so its pages stay open.
        _, job = server.ask("/v1/jobs", {"model": "lenet", "dataset": "digits"})
        pages = [Page(server, job["id"]) for _ in range(PAGES)]
        for page in pages:
            page.open()
        assert [page.poll() for page in pages] == [OK] * PAGES
        # All of them are open, and have more connections than there are threads.
        assert server.ask("/v1/models/lenet")[0] == OK
        assert [page.poll() for page in pages] == [KNOWN] * PAGES
        # The pool may have filled up meanwhile, and be there for everybody.
        assert count_threads() <= before + THREADS
        for page in pages:
            page.connection.close()
