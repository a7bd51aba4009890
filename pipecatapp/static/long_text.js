// Long foreign text: laid out piece by piece, so that a megabyte of it does not stop the page.

import { el } from "./dom.js";

const FIRST = 20_000, MORE = 100_000;

/** Return the end of a piece of at most `size` characters that splits no surrogate pair. */
function pieceEnd(text, from, size) {
  const end = Math.min(text.length, from + size), last = text.charCodeAt(end - 1);
  return end < text.length && last >= 0xD800 && last < 0xDC00 ? end - 1 : end;
}

/**
 * Show a text in an element: its first 20,000 characters, and a button for more.
 *
 * asNodes: makes the nodes of a piece.
 */
export function showLong(element, text, asNodes = piece => [piece]) {
  let shown = 0;
  const button = el("button", { type: "button", class: "quiet more", on: { click: () => more(MORE) } });
  function more(size) {
    const end = pieceEnd(text, shown, size), wasFocused = document.activeElement === button;
    button.before(...asNodes(text.slice(shown, end)));
    shown = end;
    const left = text.length - shown;
    button.textContent = `Show more: ${left.toLocaleString("en")} characters are left`;
    button.hidden = left === 0;
    if (wasFocused && button.hidden) element.closest("[tabindex]")?.focus({ preventScroll: true });
  }
  element.replaceChildren(button);
  more(FIRST);
}

/** A text that grows while it is shown; what comes after its first 20,000 characters waits for the end. */
export class GrowingText {
  #node = document.createTextNode("");
  #room = FIRST;
  #waiting = "";
  #frame = 0;
  text = "";

  constructor(element, afterwards) {
    this.afterwards = afterwards;
    element.replaceChildren(this.#node);
  }

  /** Add a part; the page is changed once a frame, however many parts came. */
  add(part) {
    this.text += part;
    this.#waiting += part.slice(0, this.#room);
    this.#room -= Math.min(this.#room, part.length);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    this.#node.appendData(this.#waiting);
    this.#waiting = "";
    this.afterwards();
  }
}
