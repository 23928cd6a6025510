"""Accounts of the local Hub: tokens, members of organizations, and sign-in by OAuth with a page of consent."""

import base64
import hashlib
import html
import secrets
import time
from urllib.parse import parse_qs, urlencode

SECRET = "oauth-secret-of-the-board"
"""Secret of the OAuth app that the local Hub knows; its id is `board`."""
SCOPES = "openid profile write-discussions"
LIFE = 28_800


class Accounts:
    """Accounts by name, with their organizations; tokens by value, each with its account and its scopes."""

    def __init__(self):
        self.organizations = {"me": {"org", "lab"}}
        self.tokens = {"hf_fake": ("me", None), "hf_test": ("me", None)}
        self.private = set()
        self.codes, self.redirects, self.issued = {}, set(), []
        self.key = None

    def add(self, name, *organizations, token=None):
        """Add an account, with a personal token if there is one."""
        self.organizations[name] = set(organizations)
        if token:
            self.tokens[token] = (name, None)

    def owner(self, headers):
        """Return the account of a request; None without a known token."""
        scheme, _, token = (headers.get("Authorization") or "").partition(" ")
        return self.tokens.get(token, (None, None))[0] if scheme == "Bearer" else None

    def may(self, headers, scope):
        """Return True if the token of a request has a scope; a personal token has all."""
        token = (headers.get("Authorization") or "").removeprefix("Bearer ")
        scopes = self.tokens.get(token, (None, ""))[1]
        return scopes is None or scope in scopes.split()

    def members(self, organization):
        return sorted(name for name, names in self.organizations.items() if organization in names)

    def is_organization(self, name):
        return any(name in names for names in self.organizations.values())

    def signing_key(self):
        """Return the key that signs ID tokens; it is made once."""
        if self.key is None:
            from joserfc.jwk import RSAKey

            self.key = RSAKey.generate_key(2048, {"kid": "hub", "use": "sig", "alg": "RS256"}, private=True)
        return self.key


class AccountRoutes:
    """Routes of accounts and OAuth, for the request handler of the local Hub."""

    def account_route(self, path, query, body):
        """Answer a request about accounts; return False if it is about something else."""
        accounts, parts = self.server.accounts, path.strip("/").split("/")
        name = accounts.owner(self.headers)
        if path == "/api/whoami-v2":
            if name is None:
                return self.respond(401, {"error": "Invalid username or password."})
            orgs = [{"type": "org", "name": org, "roleInOrg": "write"} for org in sorted(accounts.organizations[name])]
            return self.respond(200, {"type": "user", "name": name, "fullname": name.title(), "orgs": orgs})
        if parts[:2] == ["api", "organizations"] and parts[3:] == ["members"]:
            if not accounts.is_organization(parts[2]) or parts[2] in accounts.private:
                return self.respond(404, {"error": "none"})
            return self.respond(200, [{"user": member, "type": "user"} for member in accounts.members(parts[2])])
        if path == "/.well-known/openid-configuration":
            return self.respond(200, self.metadata())
        if path == "/oauth/jwks":
            return self.respond(200, {"keys": [accounts.signing_key().as_dict(private=False)]})
        if path == "/oauth/authorize":
            return self.authorize(query)
        if path == "/oauth/token":
            return self.exchange(parse_qs(body.decode()))
        if path == "/oauth/userinfo":
            if name is None:
                return self.respond(401, {"error": "invalid_token"})
            return self.respond(200, {"sub": name, "preferred_username": name})
        return False

    def metadata(self):
        url = self.server.url
        return {
            "issuer": url,
            "authorization_endpoint": f"{url}/oauth/authorize",
            "token_endpoint": f"{url}/oauth/token",
            "userinfo_endpoint": f"{url}/oauth/userinfo",
            "jwks_uri": f"{url}/oauth/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, query):
        """Show the page of consent; with the name of an account, return to the app with a code."""
        accounts = self.server.accounts
        fields = {name: values[0] for name, values in query.items()}
        if fields.get("client_id") != "board" or fields.get("redirect_uri") not in accounts.redirects:
            return self.respond(400, {"error": "invalid_request"})
        account = fields.pop("account", None)
        if account is None:
            return self.respond(200, consent(accounts, fields).encode(), {"Content-Type": "text/html; charset=utf-8"})
        if account not in accounts.organizations:
            answer = {"error": "access_denied", "state": fields["state"]}
        else:
            code = secrets.token_urlsafe(16)
            accounts.codes[code] = {**fields, "account": account}
            answer = {"code": code, "state": fields["state"]}
        return self.respond(302, {}, {"Location": f"{fields['redirect_uri']}?{urlencode(answer)}"})

    def exchange(self, fields):
        """Exchange a code for an access token and an ID token."""
        accounts = self.server.accounts
        fields = {name: values[0] for name, values in fields.items()}
        basic = base64.b64encode(f"board:{SECRET}".encode()).decode()
        grant = accounts.codes.pop(fields.get("code"), None)
        verifier = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if self.headers.get("Authorization") != f"Basic {basic}":
            return self.respond(401, {"error": "invalid_client"})
        if grant is None or grant["code_challenge"] != challenge or grant["redirect_uri"] != fields["redirect_uri"]:
            return self.respond(400, {"error": "invalid_grant"})
        token = f"hf_oauth_{secrets.token_urlsafe(24)}"
        accounts.tokens[token] = (grant["account"], grant["scope"])
        accounts.issued.append(token)
        answer = {"access_token": token, "token_type": "bearer", "expires_in": LIFE, "scope": grant["scope"]}
        return self.respond(200, answer | {"id_token": self.identity(grant)})

    def identity(self, grant):
        from joserfc import jwt

        now, name = int(time.time()), grant["account"]
        claims = {"iss": self.server.url, "aud": "board", "sub": name, "iat": now, "exp": now + LIFE}
        claims |= {"nonce": grant["nonce"], "preferred_username": name, "name": name.title()}
        key = self.server.accounts.signing_key()
        return jwt.encode({"alg": "RS256", "kid": "hub"}, claims, key)


def consent(accounts, fields):
    """Return the page on which a person chooses an account and allows or declines the app."""
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    buttons = "".join(
        f'<p><button name="account" value="{name}">Authorize as {name}</button></p>' for name in accounts.organizations
    )
    return f"""<!doctype html><meta charset="utf-8"><title>Authorize</title><body style="font: 16px sans-serif">
<h1>The leaderboard asks for access to your account</h1><p>It may: {html.escape(fields["scope"])}</p>
<form action="authorize">{hidden}{buttons}<p><button name="account" value="-">Decline</button></p></form>"""
