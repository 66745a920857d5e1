"""What every client of a backend holds to, whichever library it is made of."""

KEEP_ALIVE = 15
"""Seconds that an idle connection is kept. Most servers keep theirs longer (nginx: 75), so we close first. Those
that close sooner (uvicorn: 5) are noticed, and where both sides meet half-way, the request is sent again."""

LONGEST_HEADER = 2**16
"""Bytes of a reply's header, name and value. Cookies and content policies of large gateways outgrow 8 KiB."""

MOST_HEADERS = 128
"""Headers of a reply."""

LARGEST_PIECE = 2**15
"""Bytes of a reply's body that are handed on at once. While they are translated they take several times their size,
and have to be sent before the next come: that is what a client costs that reads more slowly than the backend sends."""

LARGE_BODY = 2**20
"""Bytes. A longer request is sent in portions, so that other requests get their turn between them."""
