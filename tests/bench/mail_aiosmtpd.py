"""A mail server made of aiosmtpd that stores in a Maildir: mail_aiosmtpd.py PORT MAILBOX"""

import asyncio
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP


async def serve():
    loop = asyncio.get_running_loop()
    mailbox = Mailbox(sys.argv[2])
    connection = lambda: SMTP(mailbox, hostname="localhost", loop=loop)
    server = await loop.create_server(connection, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(serve())
