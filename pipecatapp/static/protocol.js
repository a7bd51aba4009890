// The messages of the websocket: pipecatapp/wire/agent_events.py is their definition, docs/agent-app.md their table.

export const VERSION = 1;

/** Fields of each type of message from the agent, besides `v` and `type`; all of them are always there. */
export const FIELDS = {
  hello: ["session", "agent", "model", "accuracy", "advice", "has_voice", "voice_problem", "tools", "history"],
  state: ["state", "turn"],
  turn_started: ["turn", "text", "source"],
  part: ["turn", "text"],
  turn_ended: ["turn", "outcome", "text"],
  tool_started: ["turn", "call", "tool", "arguments", "risk"],
  tool_ended: ["turn", "call", "tool", "is_error", "reason", "text", "seconds"],
  approval_asked: ["turn", "id", "tool", "arguments", "risk", "expires_s"],
  approval_ended: ["turn", "id", "outcome"],
  log: ["at", "level", "component", "text"],
  status: ["rows"],
  error: ["turn", "code", "text"],
  pong: [],
};

/** The same for the websocket of the microphone: pipecatapp/wire/voice_events.py, docs/voice.md. */
export const VOICE_FIELDS = {
  ready: ["in_rate", "out_rate"],
  heard: ["text"],
  dropped: [],
  problem: ["code", "text"],
};

/** Characters (code points) that a person may say at once. */
export const LONGEST_TEXT = 8000;

/** Return a message of the agent; an error where it is none of this version's, because then the page is an old one. */
export function readMessage(data, known = FIELDS) {
  const message = JSON.parse(data);
  const fields = Object.hasOwn(known, message.type) ? known[message.type] : null;
  const isKnown = message.v === VERSION && fields && Object.keys(message).length === fields.length + 2;
  if (!isKnown || !fields.every(name => Object.hasOwn(message, name))) throw new TypeError(`not a message of version ${VERSION}`);
  return message;
}

/** Return a message to the agent as text. */
export const writeMessage = (type, fields = {}) => JSON.stringify({ v: VERSION, type, ...fields });
