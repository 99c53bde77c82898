"""A small provider of OpenID Connect: real HTTP, signed tokens, people whom a test describes."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "portal", "the client's secret"


class Provider:
    """Whoever comes to it is `claims`; codes work once and only with their PKCE verifier."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.signs_with = self.key
        self.claims: dict[str, Any] = {}
        self.tells: dict[str, Any] = {}
        self.audience = CLIENT_ID
        self._codes: dict[str, str] = {}

    def authorize(self, query: dict[str, list[str]]) -> str:
        """Return where the browser is sent back to."""
        assert query["client_id"] == [CLIENT_ID]
        assert query["code_challenge_method"] == ["S256"]
        code = secrets.token_urlsafe()
        self._codes[code] = query["code_challenge"][0]
        back = {"code": code, "state": query["state"][0]}
        return f"{query['redirect_uri'][0]}?{urlencode(back)}"

    def token(self, form: dict[str, list[str]]) -> dict[str, Any] | None:
        """Return the tokens of a code; None when it is not right."""
        challenge = self._codes.pop(form["code"][0], None)
        digest = hashlib.sha256(form.get("code_verifier", [""])[0].encode()).digest()
        is_right = challenge == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not is_right or form.get("client_secret") != [CLIENT_SECRET]:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "aud": self.audience, "iat": now, "exp": now + 300}
        signed = jwt.encode(
            claims | self.claims, self.signs_with, algorithm="RS256", headers={"kid": "one"}
        )
        return {"access_token": "access", "token_type": "Bearer", "id_token": signed}

    def answer(self, path: str) -> dict[str, Any]:
        """Return what is read by GET."""
        if path == "/jwks":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return {"keys": [{**key, "kid": "one", "alg": "RS256", "use": "sig"}]}
        if path == "/userinfo":
            return {"sub": self.claims["sub"], **self.tells}
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }


@contextmanager
def running() -> Iterator[Provider]:
    """Serve a provider while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(parse_qs(asked.query)))
                self.end_headers()
                return
            self._say(200, provider.answer(asked.path))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            found = provider.token(parse_qs(self.rfile.read(length).decode()))
            self._say(200 if found else 400, found or {"error": "invalid_grant"})

        def _say(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
