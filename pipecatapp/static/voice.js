// The buttons of the voice: hold one to talk, or let the agent listen all the time.

import { noCapture } from "./capture.js";
import { byId } from "./dom.js";
import { VoiceLine } from "./voice_line.js";

const UNUSED_S = 60; // a microphone that nobody holds a button for is given back

const box = byId("voice"), talk = byId("talk"), listen = byId("listen"), quiet = byId("hush");
const note = byId("voice-note"), problem = byId("voice-problem"), without = byId("no-voice");

let line = null; // the open one
let opening = null; // while it opens
let closings = 0; // what opened meanwhile is closed again
let isHeld = false, isListening = false;
let timer = 0;

/** Show the buttons, or why there are none. */
export function showVoice({ has_voice: hasVoice, voice_problem: why }) {
  const reason = hasVoice ? noCapture() : why;
  box.hidden = reason !== "";
  without.textContent = reason && `No microphone: ${reason}`;
  without.hidden = reason === "";
  if (reason) closeVoice();
}

/** Close microphone and connection. */
export function closeVoice() {
  clearTimeout(timer);
  isHeld = isListening = false;
  line?.close();
  line = opening = null;
  closings += 1;
  draw();
}

/** Stop the agent's voice, because a person has typed something. */
export function hush() {
  if (!quiet.hidden) line?.hush();
}

async function ready() {
  problem.textContent = "";
  clearTimeout(timer);
  if (!opening) {
    const own = opening = open().finally(() => { if (opening === own) opening = null; });
  }
  return opening;
}

async function open() {
  if (line) return line;
  note.textContent = "Opening the microphone.";
  const before = closings;
  const found = new VoiceLine({
    heard: text => { note.textContent = text ? `I heard: ${text}` : "I heard no words."; },
    problem: text => { problem.textContent = text; },
    plays: plays => { quiet.hidden = !plays; },
    closed: () => { if (line === found) closeVoice(); },
  });
  try {
    await found.open();
  } catch (error) {
    if (before !== closings) return null;
    note.textContent = "";
    problem.textContent = error.message;
    isHeld = isListening = false;
    draw();
    return null;
  }
  if (before !== closings) {
    found.close();
    return null;
  }
  line = found;
  return line;
}

async function hold() {
  if (isHeld) return;
  isHeld = true;
  draw();
  const opened = await ready();
  // A button that was let go while the browser asked for permission starts nothing.
  if (!opened) return;
  if (isHeld) { opened.push(); note.textContent = "Speak now; let go to send."; }
  else rest("The microphone is ready. Hold the button while you speak.");
}

async function letGo() {
  if (!isHeld) return;
  isHeld = false;
  draw();
  if (!line || opening) return;
  note.textContent = "One moment.";
  await line.release();
  line?.listen(isListening);
  rest(note.textContent);
}

function rest(text) {
  note.textContent = text;
  clearTimeout(timer);
  if (!isListening) timer = setTimeout(() => { note.textContent = ""; closeVoice(); }, UNUSED_S * 1000);
}

async function toggle() {
  isListening = !isListening;
  draw();
  if (!isListening) { note.textContent = ""; closeVoice(); return; }
  const opened = await ready();
  if (!opened) return;
  opened.listen(isListening);
  note.textContent = "Speak when you like.";
}

function draw() {
  talk.setAttribute("aria-pressed", String(isHeld));
  listen.setAttribute("aria-pressed", String(isListening));
  if (!line) quiet.hidden = true;
}

talk.addEventListener("pointerdown", event => {
  if (event.button !== 0) return;
  talk.setPointerCapture(event.pointerId);
  hold();
});
for (const name of ["pointerup", "pointercancel", "blur"]) talk.addEventListener(name, letGo);
talk.addEventListener("keydown", event => {
  if (event.key !== " " && event.key !== "Enter") return;
  event.preventDefault();
  if (!event.repeat) hold();
});
talk.addEventListener("keyup", event => { if (event.key === " " || event.key === "Enter") letGo(); });
talk.addEventListener("contextmenu", event => event.preventDefault()); // a long touch
listen.addEventListener("click", toggle);
quiet.addEventListener("click", () => { hush(); byId("words").focus(); });
