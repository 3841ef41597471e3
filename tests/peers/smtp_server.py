"""A mail server made of aiosmtpd, for the tests: smtp_server.py MAILBOX starttls|implicit CERT KEY MECHANISM

Listens on a free port of the loopback interface and says which, as socklab's servers do. It takes mail
only from ada, whose password is "open sesame", and offers MECHANISM (PLAIN or LOGIN) to prove it.
"""

import asyncio
import logging
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

EXPECTED = LoginPassword(b"ada", b"open sesame")

mailbox, kind, certificate, key, mechanism = sys.argv[1:]
# That a password is taken inside implicit TLS looks to aiosmtpd as if there were none: it warns.
logging.disable(logging.WARNING)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
handler = Mailbox(mailbox)


def authenticate(server, session, envelope, name, given):
    # Not handled: the reply to a wrong one, 535, is left to aiosmtpd.
    return AuthResult(success=given == EXPECTED, handled=False)


def connection():
    return SMTP(
        handler,
        hostname="localhost",
        tls_context=context if kind == "starttls" else None,
        require_starttls=kind == "starttls",
        auth_required=True,
        auth_require_tls=kind == "starttls",
        auth_exclude_mechanism={"PLAIN", "LOGIN"} - {mechanism},
        authenticator=authenticate,
        loop=asyncio.get_running_loop(),
    )


async def serve():
    outer = context if kind == "implicit" else None
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0, ssl=outer)
    port = server.sockets[0].getsockname()[1]
    print(f"listening on 127.0.0.1:{port} (tcp)", file=sys.stderr, flush=True)
    await server.serve_forever()


asyncio.run(serve())
