"""Free ports for tests: none that the system lends to others, none that an Asterisk of ours uses for sound."""

import random
import socket

from telefonista.app.home import FIRST_LENT_PORT, FIRST_PORT


def free_port() -> int:
    """A port that is free for UDP and TCP on loopback now."""
    while True:
        port = random.randrange(FIRST_PORT, FIRST_LENT_PORT)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            try:
                stream.bind(("127.0.0.1", port))
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
