// The websocket of the microphone: sound up, sound down, and the messages of docs/voice.md.

import { Capture } from "./capture.js";
import { Playback } from "./playback.js";
import { VOICE_FIELDS, readMessage, writeMessage } from "./protocol.js";

const MOST_WAITING = 64 * 1024; // bytes that the network has not taken, 2 s; what is said then is lost, and is said so

export class VoiceLine {
  #socket;
  #capture = null;
  #playback = null;
  #events;
  #isSending = false;

  /** events: `heard(text)`, `problem(text)`, `plays(whether)`, and `closed()` at its end. */
  constructor(events) {
    this.#events = events;
  }

  /** Open microphone and websocket; an Error whose text is for people where that fails. */
  async open() {
    const { in_rate: rate } = await this.#connect();
    try {
      this.#capture = await Capture.open(rate, samples => this.#send(samples));
      // People may take their time to allow the microphone.
      if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("The connection to the agent was lost.");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Say what follows, until `release`; pauses are no end. */
  push() {
    this.#playback.drop();
    this.#message("push");
    this.#isSending = true;
  }

  /** What was said is complete. */
  async release() {
    await this.#capture.flush();
    this.#isSending = false;
    this.#message("release");
  }

  /** Say everything that the microphone hears; the agent finds out what is an end. */
  listen(isListening) {
    this.#isSending = isListening;
  }

  /** Stop the agent's voice. */
  hush() {
    this.#playback?.drop();
    this.#message("hush");
  }

  close() {
    this.#capture?.close();
    this.#playback?.close();
    this.#capture = this.#playback = null;
    this.#socket?.close();
  }

  /** Return the agent's first message. */
  #connect() {
    const socket = this.#socket = new WebSocket(new URL("voice", document.baseURI.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    return new Promise((done, fail) => {
      socket.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") { this.#playback?.add(data); return; }
        const message = readMessage(data, VOICE_FIELDS);
        if (message.type === "ready") {
          this.#playback = new Playback(message.out_rate, plays => this.#events.plays(plays));
          done(message);
        } else this.#take(message, fail);
      });
      socket.addEventListener("close", () => {
        fail(new Error("The agent does not take the microphone now: too many may be open, or its voice has failed; see Services."));
        this.close();
        this.#events.closed();
      });
    });
  }

  #take({ type, text }, fail) {
    if (type === "dropped") this.#playback?.drop();
    else if (type === "heard") this.#events.heard(text);
    else { this.#events.problem(text); fail(new Error(text)); }
  }

  #send(samples) {
    if (!this.#isSending || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > MOST_WAITING) this.#events.problem("The network is too slow: something that you said was lost.");
    else this.#socket.send(samples.buffer);
  }

  #message(type) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(writeMessage(type));
  }
}
