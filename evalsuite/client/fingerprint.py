"""The name of a question in the response store.

A fingerprint is 128 bits of BLAKE2b over the model's identity (weights, tokenizer and template, engine version) and the
canonical encoding of the request. It never covers URL, port, path or label, so the same question to the same weights has the
same name on every machine.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from evalsuite.client.backend import Request

_encode = msgspec.json.Encoder(order="deterministic").encode


def request_bytes(request: Request) -> bytes:
    """Canonical JSON of a request: fields in a fixed order, defaults left out."""
    return _encode(request)


def fingerprint(identity: str, encoded_request: bytes) -> str:
    """Name of `encoded_request` (see `request_bytes`) asked of the model with this identity; 32 hex digits."""
    digest = blake2b(identity.encode(), digest_size=16)
    digest.update(b"\0")
    digest.update(encoded_request)
    return digest.hexdigest()
