// The message box: sends words, keeps them until the agent has taken them, stops a turn.

import { byId } from "./dom.js";
import { LONGEST_TEXT } from "./protocol.js";

const NEARLY = 500; // characters of room from which on it is shown

const form = byId("composer"), words = byId("words"), sendButton = byId("send"), stopButton = byId("stop");
const room = byId("room"), problem = byId("composer-problem");

let send = () => false;
let isOnline = false;
let turn = ""; // the one that runs
let sent = null; // words that the agent has not taken yet

/** Connect the box: `sender(type, fields)` sends a message, and is false where it cannot. */
export function prepareComposer(sender) {
  send = sender;
  draw();
}

/** Whether there is a connection. */
export function setOnline(online) {
  isOnline = online;
  turn = "";
  if (!online) giveBack();
  draw();
}

/** A turn starts: its words were taken. Those of another page leave what was sent here to the answer that it gets. */
export function startTurn({ turn: id, text }) {
  if (text === sent) sent = null;
  setTurn(id);
}

/** A turn runs. */
export function setTurn(id) {
  turn = id;
  problem.textContent = "";
  draw();
}

/** A turn is over. */
export function endTurn(id) {
  if (turn === id) turn = "";
  draw();
}

/** Show why something was not done; words that were not taken come back into the box. */
export function showProblem(text) {
  giveBack();
  problem.textContent = text;
  draw();
}

function giveBack() {
  if (sent !== null && !words.value) words.value = sent;
  sent = null;
  grow();
}

const length = () => [...words.value].length;

function draw() {
  const left = LONGEST_TEXT - length(), focused = document.activeElement;
  sendButton.hidden = turn !== "";
  stopButton.hidden = turn === "";
  stopButton.disabled = false;
  sendButton.disabled = !isOnline || sent !== null || left < 0 || !words.value.trim();
  room.textContent = left > NEARLY ? "" : left >= 0 ? `${left} characters left` : `${-left} characters too many`;
  room.classList.toggle("over", left < 0);
  // A button that goes away takes the focus with it, unless the box gets it.
  if ((focused === sendButton || focused === stopButton) && (focused.hidden || focused.disabled)) words.focus();
}

/** Make the box as high as its text; the style limits it. */
function grow() {
  words.style.height = "auto";
  words.style.height = `${words.scrollHeight + 2}px`;
}

function submit() {
  if (turn) { problem.textContent = "The agent still works on the last message. Wait, or stop it."; return; }
  // Well formed, as the agent says it again: half of a surrogate pair is no text.
  const text = words.value.toWellFormed();
  if (sendButton.disabled || !send("say", { text })) return;
  sent = text;
  words.value = "";
  problem.textContent = "";
  grow();
  draw();
}

form.addEventListener("submit", event => {
  event.preventDefault();
  submit();
});
words.addEventListener("input", () => { grow(); draw(); });
words.addEventListener("keydown", event => {
  // While an input method composes a word, Enter chooses it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
stopButton.addEventListener("click", () => {
  if (!send("cancel", { turn })) return;
  stopButton.disabled = true;
  words.focus();
});
