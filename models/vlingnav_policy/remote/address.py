"""Where a policy is: `SCHEME://[TOKEN@]HOST:PORT[/PATH][?timeout_s=1&…]`.

A token in an address would be kept by every log and parameter dump that the address gets into: what is
printed of an `Address` has none, and environment variables are the better place for it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from vlingnav_policy.manifest import ManifestError

COMMON = {"timeout_s": "1", "tls": "0"}
"""What every address may say: the deadline of one decision [s], and whether the connection is encrypted."""


@dataclass(frozen=True)
class Address:
    """One policy's address.

    Attributes:
        scheme: which protocol is spoken, a key of `SCHEMES`.
        host, port, path: where, as in any URL; the path may be empty.
        token: proves who asks; empty for none.
        options: what the query says, with the defaults of what it does not.
    """

    scheme: str
    host: str
    port: int
    path: str
    token: str = field(repr=False)
    options: Mapping[str, str]

    @classmethod
    def parse(cls, url: str, options: Mapping[str, str] = {}, token_variable: str = "") -> Address:
        """Take `url` apart.

        Args:
            options: what the query may say besides `COMMON`, with defaults.
            token_variable: the environment variable that holds the token when `url` has none.

        Raises:
            ManifestError: a part is missing, or is not what it should be.
        """
        shown = without_token(url)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError as error:
            raise ManifestError(f"{shown!r} is no address of a policy: {error}") from error
        if not host or not port:
            raise ManifestError(
                f"{shown!r} is no address of a policy; write {parts.scheme}://HOST:PORT with both"
            )
        allowed = {**COMMON, **options}
        if strange := sorted(given.keys() - allowed.keys()):
            raise ManifestError(
                f"{shown!r} says {', '.join(strange)}; {parts.scheme}:// knows {', '.join(allowed)}"
            )
        token = unquote(parts.username or "") or os.environ.get(token_variable, "")
        if not token.isascii() or not token.isprintable():
            raise ManifestError(f"the token for {shown!r} has characters other than printable ASCII")
        address = cls(parts.scheme, host, port, parts.path, token, {**allowed, **given})
        address.positive("timeout_s")
        address.one_of("tls", "0", "1")
        return address

    @property
    def timeout_s(self) -> float:
        """The deadline of one decision [s]."""
        return self.positive("timeout_s")

    def positive(self, name: str) -> float:
        """The option `name` as a number above zero.

        Raises:
            ManifestError: it is none.
        """
        try:
            value = float(self.options[name])
        except ValueError:
            value = math.nan
        if not 0.0 < value < math.inf:
            raise ManifestError(f"{self}: {name}={self.options[name]} is no number above zero")
        return value

    def one_of(self, name: str, *allowed: str) -> str:
        """The option `name`, which is one of `allowed`.

        Raises:
            ManifestError: it is none of them.
        """
        value = self.options[name]
        if value not in allowed:
            raise ManifestError(f"{self}: {name}={value} is none of {', '.join(allowed)}")
        return value

    def url(self, scheme: str) -> str:
        """The same place for another protocol, "ws" or "http"; with an s where the options say tls."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}{'s' if self.options['tls'] == '1' else ''}://{host}:{self.port}{self.path}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def without_token(url: str) -> str:
    """`url` as it may be shown; anything that is no address stays as it is."""
    parts = urlsplit(url) if "://" in url else None
    return url if parts is None else urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
