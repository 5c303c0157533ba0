"""A program that stands where the server's does: writes down both directions and starts the server.

usage: recorder.py LOG DELAY_S PROGRAM [ARGUMENT ...]
"""

import subprocess
import sys
import threading
import time
from typing import IO


def pump(source: IO[bytes], target: IO[bytes], log: IO[bytes], mark: bytes) -> None:
    for line in iter(source.readline, b""):
        log.write(mark + line)
        target.write(line)
        target.flush()
    target.close()


def main(log_file: str, delay_s: str, *command: str) -> int:
    time.sleep(float(delay_s))  # the slow start of a machine, not a wait for anything
    with open(log_file, "ab", buffering=0) as log:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert server.stdin and server.stdout
        asked = threading.Thread(target=pump, args=(sys.stdin.buffer, server.stdin, log, b"> "), daemon=True)
        asked.start()
        pump(server.stdout, sys.stdout.buffer, log, b"< ")
        return server.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
