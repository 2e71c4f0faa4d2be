"""The zoo's own REST, /v1."""
