// The agent's face: one `data-state`, which character.css draws, and the same in words.

import { byId } from "./dom.js";

const WORDS = {
  idle: ["Ready", "Ask me something."],
  listening: ["Listening", "I hear you."],
  thinking: ["Thinking", "One moment."],
  speaking: ["Answering", "Here it comes."],
  working: ["Working", "A tool runs."],
  waiting_for_approval: ["Waiting for you", "May I do this?"],
  error: ["That failed", "Try again, or ask something else."],
  offline: ["Offline", "I am back as soon as the agent answers."],
};
const TITLE = document.title;

/** Show a state; `hint` says more where the state alone says too little. */
export function showState(state, hint = "") {
  const [word, usual] = WORDS[state];
  byId("character").dataset.state = state;
  // Only a change is said: a live text that is set again may be read again.
  if (byId("state").textContent !== word) byId("state").textContent = word;
  byId("hint").textContent = hint || usual;
  document.title = state === "waiting_for_approval" ? `Approval needed - ${TITLE}` : TITLE;
}
