"""Runs commands on a host on request. Not imported: `connections` sends its source to the host's own Python.

One request after the other on stdin: a line of JSON, `{"argv": [...], "input": BYTES}`, and the input's bytes. For
each, on stdout: an empty line as soon as the request is read, and, when the command has ended, a line
`{"rc": 0, "stdout": BYTES, "stderr": BYTES}` and those bytes. Any Python from 3.8 on runs it, as Ansible's modules.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

LINGER_S = 2.0
"""So long an output may stay open after the command ended: a daemon that it started can hold it."""


def main() -> None:
    """Answers until stdin ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(b"\n")
    answers.flush()
    for line in iter(requests.readline, b""):
        request = json.loads(line.decode())
        data = requests.read(request["input"])
        answers.write(b"\n")
        answers.flush()
        rc, outputs = run(request["argv"], data)
        head = {"rc": rc, "stdout": len(outputs[0]), "stderr": len(outputs[1])}
        answers.write(json.dumps(head).encode() + b"\n" + outputs[0] + outputs[1])
        answers.flush()


def run(argv: "Sequence[str]", data: bytes) -> "tuple[int, list[bytes]]":
    """The return code, as a shell gives it, and both outputs."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError as error:
        return 127, [b"", str(error).encode()]
    outputs = [bytearray(), bytearray()]
    threads = [
        threading.Thread(target=feed, args=(process.stdin, data), daemon=True),
        threading.Thread(target=collect, args=(process.stdout, outputs[0]), daemon=True),
        threading.Thread(target=collect, args=(process.stderr, outputs[1]), daemon=True),
    ]
    for thread in threads:
        thread.start()
    rc = process.wait()
    for thread in threads:
        thread.join(LINGER_S)
    return rc if rc >= 0 else 128 - rc, [bytes(output) for output in outputs]


def feed(pipe: IO[bytes], data: bytes) -> None:
    """Gives the command its input."""
    try:
        pipe.write(data)
        pipe.close()
    except OSError:
        # The command ended, or closed its input, without reading all of it.
        pass


def collect(pipe: IO[bytes], output: bytearray) -> None:
    """Reads until the last holder of the pipe closes it."""
    while True:
        piece = os.read(pipe.fileno(), 65536)
        if not piece:
            return
        output.extend(piece)


if __name__ == "__main__":
    main()
