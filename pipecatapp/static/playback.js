// What the agent says: pieces of sound, played without gaps, dropped at once when somebody interrupts.

const LEAD_S = 0.12; // sound that is there before the first of it is played: the network may stutter as long
const LONGEST_S = 60; // that may wait; the agent sends as fast as it is played, and not more

export class Playback {
  #context = new AudioContext();
  #rate;
  #pieces = new Set();
  #next = 0;
  #changed;

  /** rate: samples a second. changed(plays): is called when the voice begins and when it ends. */
  constructor(rate, changed) {
    this.#rate = rate;
    this.#changed = changed;
  }

  /** Play 16-bit samples, behind those before. */
  add(data) {
    const samples = new Int16Array(data), now = this.#context.currentTime;
    if (!samples.length || this.#next - now > LONGEST_S) return;
    const buffer = this.#context.createBuffer(1, samples.length, this.#rate);
    buffer.copyToChannel(Float32Array.from(samples, one => one / 32768), 0);
    const piece = new AudioBufferSourceNode(this.#context, { buffer });
    piece.connect(this.#context.destination);
    piece.onended = () => this.#end(piece);
    // What comes late begins with a lead again.
    if (this.#next < now) this.#next = now + LEAD_S;
    piece.start(this.#next);
    this.#next += buffer.duration;
    this.#pieces.add(piece);
    if (this.#pieces.size === 1) this.#changed(true);
    this.#context.resume();
  }

  /** Fall silent at once. */
  drop() {
    for (const piece of this.#pieces) { piece.onended = null; piece.stop(); }
    this.#next = 0;
    if (this.#pieces.size) { this.#pieces.clear(); this.#changed(false); }
  }

  close() {
    this.drop();
    this.#context.close();
  }

  #end(piece) {
    this.#pieces.delete(piece);
    if (!this.#pieces.size) this.#changed(false);
  }
}
