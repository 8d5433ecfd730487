"""A small OpenID provider on localhost that speaks what Gradio's sign-in asks the Hub: discovery,
the authorisation redirect, codes for signed tokens, keys. Who signs in says who it is by `as=NAME`;
it is Alice otherwise.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


class Provider:
    """`tokens` are the access tokens by name, to be set before that person signs in."""

    def __init__(self, client_id: str) -> None:
        self.client_id, self.seconds = client_id, 8 * 3600
        self.tokens: dict[str, str] = {}
        self._key = RSAKey.generate_key(2048, {"kid": "1"})
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                asked = {name: values[0] for name, values in parse_qs(url.query).items()}
                if url.path == "/authorize":
                    self.send_response(302)
                    code = json.dumps({"as": asked.get("as", "alice"), "nonce": asked["nonce"]})
                    back = urlencode({"code": code, "state": asked["state"]})
                    joint = "&" if "?" in asked["redirect_uri"] else "?"
                    self.send_header("Location", f"{asked['redirect_uri']}{joint}{back}")
                    self.end_headers()
                elif url.path == "/keys":
                    self.answer({"keys": [provider._key.as_dict(private=False)]})
                else:
                    self.answer(provider.discovery())

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.answer(provider.exchange(json.loads(parse_qs(sent)["code"][0])))

            def answer(self, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def exchange(self, code: dict[str, str]) -> dict[str, Any]:
        name, now = code["as"], int(time.time())
        claims = {
            "iss": self.url,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 600,
            "nonce": code["nonce"],
            "sub": f"sub-{name}",
            "name": name.title(),
            "preferred_username": name,
            "profile": f"https://huggingface.co/{name}",
            "picture": "",
        }
        return {
            "access_token": self.tokens.get(name, f"hf_oauth_{name}"),
            "token_type": "bearer",
            "expires_in": self.seconds,
            "scope": "openid profile contribute-repos",
            "id_token": jwt.encode({"alg": "RS256", "kid": "1"}, claims, self._key),
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
