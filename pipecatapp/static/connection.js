// The websocket, and how it comes back: the pauses between tries double, and chance keeps pages from coming all at once.

import { writeMessage } from "./protocol.js";

const FIRST_PAUSE_S = 0.5, LONGEST_PAUSE_S = 15;
const STEADY_S = 10; // a connection that lasted as long starts the pauses from the shortest again
const PING_S = 20, SILENCE_S = 50; // longer than two pings without any message: the connection is dead

export class Connection {
  #open;
  #events;
  #socket = null;
  #isOpening = false;
  #tries = 0;
  #timer = 0;
  #heard = 0;
  #opened = 0;

  /**
   * open: async, returns a new WebSocket; an error means that nobody answers.
   * events: `message(data)`, and `lost()` after each connection or try that failed.
   */
  constructor(open, events) {
    this.#open = open;
    this.#events = events;
    setInterval(() => this.#beat(), PING_S * 1000);
    addEventListener("online", () => this.start());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.start(); });
  }

  /** Connect now, unless there is a connection, or a try is under way. */
  async start() {
    if (this.#socket || this.#isOpening) return;
    clearTimeout(this.#timer);
    this.#isOpening = true;
    try {
      this.#adopt(await this.#open());
    } catch {
      this.#retry();
    } finally {
      this.#isOpening = false;
    }
  }

  /** Send a message; false where there is no connection. */
  send(type, fields) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(writeMessage(type, fields));
    return true;
  }

  #adopt(socket) {
    this.#socket = socket;
    this.#opened = this.#heard = performance.now();
    socket.addEventListener("message", event => {
      // A connection that was given up may still have something to say.
      if (socket !== this.#socket) return;
      this.#heard = performance.now();
      this.#events.message(event.data);
    });
    socket.addEventListener("close", () => this.#drop(socket));
  }

  #drop(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    if (performance.now() - this.#opened > STEADY_S * 1000) this.#tries = 0;
    this.#retry();
  }

  #retry() {
    this.#events.lost();
    const pause = Math.min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** this.#tries++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.start(), pause * (0.5 + Math.random() / 2) * 1000);
  }

  #beat() {
    const socket = this.#socket;
    if (!socket) return;
    if (performance.now() - this.#heard < SILENCE_S * 1000) { this.send("ping"); return; }
    // Without waiting for its `close`: on a dead network that takes minutes.
    socket.close();
    this.#drop(socket);
  }
}
