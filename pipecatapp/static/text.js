// Foreign text as nodes: links, characters that nobody sees, times.

import { el } from "./dom.js";

// No control characters for direction and none of zero width in an address: they could make it look like another one.
const ADDRESS = /https?:\/\/[^\s<>"'`\p{Cf}\p{Cc}]+/giu;
const AFTER = /[.,;:!?)\]}*_]+$/;
// What has no picture of its own, half of a surrogate pair, and spaces that are not the usual one.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u115F\u1160\u2800\u3164\uFFA0]|(?! )\p{Zs}/gu;

/** Return a web address, or null where a text is none with http or https. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch { return null; }
}

/** Return a link that gives the page it opens no hold on this one. */
export const link = (address, text) => el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, text);

/** Return a text as nodes in which web addresses are links; a link shows the whole address that it opens. */
export function linked(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const shown = found.replace(AFTER, ""), address = webAddress(shown);
    if (!address) continue;
    nodes.push(text.slice(end, index), link(address, shown));
    end = index + shown.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

/** Return a text as nodes in which what nobody could see is a marked escape; line ends and tabs are left. */
export function exact(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(UNSEEN)) {
    if (found === "\n" || found === "\t") continue;
    const code = found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(text.slice(end, index), el("mark", { class: "unseen-character" }, `U+${code}`));
    end = index + found.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

/** Return a call's arguments as text, exactly as they are. */
export const pretty = value => JSON.stringify(value, null, 2);

/** Return a text whose parts in backquotes are code. */
export const withCode = text => text.split("`").map((part, at) => at % 2 ? el("code", {}, part) : part);

const local = (at, options) => new Date(at * 1000).toLocaleString(undefined, options);

/** Return the time of day; `at` in seconds since 1970, as everywhere. */
export const clock = (at, second = undefined) => local(at, { hour: "2-digit", minute: "2-digit", second, hourCycle: "h23" });

/** Return how long ago a time was, in its largest unit. */
export function ago(at, now = Date.now() / 1000) {
  const passed = Math.max(0, now - at);
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (passed >= size) return `${Math.floor(passed / size)} ${unit} ago`;
  }
  return passed < 10 ? "just now" : `${Math.floor(passed)} s ago`;
}

/** Return a time as an element that says how long ago it was, and the time itself to those who point at it. */
export const agoElement = at => el("time", { datetime: new Date(at * 1000).toISOString(), title: local(at) }, ago(at));
