"""A mail server for the tests of alerts: aiosmtpd with STARTTLS and a login, both required.

Arguments: certificate, its key, user, password, and how many mails to refuse for now (451) first.
Prints `listening PORT`, then `mail JSON` for each mail it takes and `refused` for each it does not.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, refusals):
        self.refusals = refusals

    async def handle_DATA(self, server, session, envelope):
        if self.refusals > 0:
            self.refusals -= 1
            print("refused", flush=True)
            return "451 come back later"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "id": mail["message-id"],
            "subject": mail["subject"],
            "headers": mail.keys(),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "authenticated": session.authenticated,
            "body": mail.get_content(),
        }
        print("mail " + json.dumps(told), flush=True)
        return "250 taken"


async def serve(certificate, key, user, password, refusals):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    handler = Handler(int(refusals))

    def authenticate(server, session, envelope, mechanism, data):
        # Not handled: aiosmtpd answers 535 itself.
        return AuthResult(success=(data.login.decode(), data.password.decode()) == (user, password), handled=False)

    def connection():
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            auth_require_tls=True,
            authenticator=authenticate,
        )

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(serve(*sys.argv[1:]))
