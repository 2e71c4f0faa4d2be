"""The shapes of requests and answers; the reference is made from them."""
