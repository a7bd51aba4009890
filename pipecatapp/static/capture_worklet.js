// Runs in the browser's thread for sound: what the microphone hears, as 16-bit samples at the agent's rate.

const FRAME = 1600; // samples of a message: 100 ms

class Capture extends AudioWorkletProcessor {
  #step; // samples of the microphone for one of ours
  #sum = 0;
  #count = 0;
  #at = 0; // how much of the next sample has come
  #frame = new Int16Array(FRAME);
  #filled = 0;

  constructor({ processorOptions: { rate } }) {
    super();
    this.#step = sampleRate / rate;
    this.port.onmessage = () => { this.#post(); this.port.postMessage(null); };
  }

  process([[channel]]) {
    if (channel) for (const sample of channel) this.#take(sample);
    return true;
  }

  // Each of our samples is the mean of those that it replaces: what is too high for our rate is damped.
  #take(sample) {
    this.#sum += sample;
    this.#count += 1;
    this.#at += 1;
    if (this.#at < this.#step) return;
    this.#at -= this.#step;
    const mean = Math.max(-1, Math.min(1, this.#sum / this.#count));
    this.#sum = this.#count = 0;
    this.#frame[this.#filled++] = mean * 32767;
    if (this.#filled === FRAME) this.#post();
  }

  #post() {
    if (this.#filled) this.port.postMessage(this.#frame.slice(0, this.#filled));
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
