// The microphone: asks for it, and gives its samples in frames of 100 ms.

const WISHES = { audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
const REASONS = {
  NotAllowedError: "The browser did not allow the microphone.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "Another program has the microphone.",
};

/** Why no page could have a microphone here; empty where one can. */
export const noCapture = () => navigator.mediaDevices?.getUserMedia && window.AudioWorkletNode ? ""
  : "Browsers give the microphone to https pages and to pages of this machine only.";

export class Capture {
  #context;
  #stream;
  #node;
  #flushed = null;

  /** Open the microphone; an Error whose text is for people where that fails. `take(samples)` gets each frame. */
  static async open(rate, take) {
    const found = new Capture();
    try {
      await found.#start(rate, take);
    } catch (error) {
      found.close();
      throw new Error(REASONS[error.name] ?? `The microphone does not work: ${error.message}`);
    }
    return found;
  }

  async #start(rate, take) {
    this.#stream = await navigator.mediaDevices.getUserMedia(WISHES);
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule("capture_worklet.js");
    this.#node = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0, processorOptions: { rate } });
    this.#node.port.onmessage = ({ data }) => data === null ? this.#flushed?.() : take(data);
    this.#context.createMediaStreamSource(this.#stream).connect(this.#node);
    await this.#context.resume();
  }

  /** Return when all that was said until now has been given. */
  flush() {
    return new Promise(done => { this.#flushed = done; this.#node.port.postMessage(null); });
  }

  /** Give the microphone back: the browser's sign for it goes out. */
  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
  }
}
