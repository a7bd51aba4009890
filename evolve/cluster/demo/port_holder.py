"""Takes a port as soon as it is free, says so, and keeps it until it is killed: `port_holder.py PORT`."""

import signal
import socket
import sys
import time


def main() -> None:
    """Run until a signal ends it."""
    while True:
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", int(sys.argv[1])))
            holder.listen()
            break
        except OSError:
            holder.close()
            time.sleep(0.001)  # a restarted task needs many milliseconds until it asks for its port
    print("held", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
