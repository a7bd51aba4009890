#!/usr/bin/python3
"""In the place of llama-server: it chooses no tool, and repeats the last message; without the key 401."""

import http.server
import json

KEY = "a key with ' and % and $HOME"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"status": "ok"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.answer(401, {"error": {"message": "wrong key", "type": "authentication_error", "code": 401}})
        elif asked.get("stream"):
            self.stream(f"you said: {asked['messages'][-1]['content']}")
        else:
            message = {"role": "assistant", "content": '{"tool": "none"}'}
            self.answer(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def stream(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        chunk = {"choices": [{"index": 0, "delta": {"content": text}}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
