// The page of the agent: connects, and gives each message to the part of the page that it is for.
//
//   session.js, connection.js, protocol.js   login, websocket, messages
//   character.js, about.js, banner.js        who answers, and what it is doing
//   conversation.js, turn.js, tool_row.js    turns, with calls of tools
//   composer.js, approvals.js                what a person says and decides
//   voice.js, voice_line.js                  what a person speaks, and hears: capture.js, playback.js
//   terminal.js, status_table.js             the log, and the services

import { showAgent } from "./about.js";
import * as approvals from "./approvals.js";
import { hideBanner, showBanner } from "./banner.js";
import { showState } from "./character.js";
import * as composer from "./composer.js";
import { Connection } from "./connection.js";
import * as conversation from "./conversation.js";
import { readMessage } from "./protocol.js";
import { openSession } from "./session.js";
import { showRows } from "./status_table.js";
import { addLine } from "./terminal.js";
import { closeVoice, hush, showVoice } from "./voice.js";

let lastTool = "";
let lastError = "";

const HINTS = {
  working: () => lastTool && `I use ${lastTool}.`,
  error: () => lastError,
};

const handlers = {
  hello(message) {
    hideBanner();
    approvals.endAllApprovals();
    conversation.restore(message);
    showAgent(message);
    showVoice(message);
    composer.setOnline(true);
    showState("idle");
  },
  state({ state, turn }) {
    showState(state, HINTS[state]?.());
    if (turn && state !== "error") composer.setTurn(turn);
  },
  turn_started(message) {
    if (message.source === "text") hush();
    composer.startTurn(message);
    conversation.startTurn(message);
  },
  part: conversation.addPart,
  turn_ended(message) {
    composer.endTurn(message.turn);
    conversation.endTurn(message);
  },
  tool_started(message) {
    lastTool = message.tool;
    if (isWorking()) showState("working", HINTS.working());
    conversation.startTool(message);
  },
  tool_ended: conversation.endTool,
  approval_asked(message) {
    conversation.askApproval(message);
    approvals.ask(message);
  },
  approval_ended(message) {
    conversation.endApproval(message);
    approvals.endApproval(message.id);
  },
  log: addLine,
  status: ({ rows }) => showRows(rows),
  error(message) {
    // A turn that was cancelled just as it ended: what was wanted has happened.
    if (message.code === "unknown_turn") return;
    lastError = message.text;
    if (message.turn) conversation.failTurn(message);
    else composer.showProblem(message.text);
  },
  pong() {},
};

const isWorking = () => document.getElementById("character").dataset.state === "working";

function receive(data) {
  let message;
  try {
    message = readMessage(data);
  } catch {
    showBanner("This page is not of the agent's version.", "Load it again", () => location.reload());
    return;
  }
  handlers[message.type](message);
}

function lost() {
  showState("offline");
  composer.setOnline(false);
  closeVoice();
  approvals.endAllApprovals();
  conversation.loseTurns();
  showBanner("The agent does not answer. Trying to reach it again.", "Try now", () => connection.start());
}

async function openSocket() {
  await openSession();
  return new WebSocket(new URL("ws", document.baseURI.replace(/^http/, "ws")));
}

const connection = new Connection(openSocket, { message: receive, lost });
const send = (type, fields) => connection.send(type, fields);
composer.prepareComposer(send);
approvals.prepareApprovals(send);
connection.start();
