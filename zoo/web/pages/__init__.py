"""Pages for people: drawn by the server, over the same operations as the REST interface."""
