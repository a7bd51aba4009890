// The line above everything: the agent does not answer, or the page is an old one.

import { byId } from "./dom.js";

const banner = byId("banner"), text = byId("banner-text"), button = byId("banner-button");

/** Show a text with a button. */
export function showBanner(words, label, action) {
  // A text that is already there is not announced again with each try.
  if (banner.hidden || text.textContent !== words) text.textContent = words;
  button.textContent = label;
  button.onclick = action;
  banner.hidden = false;
}

export function hideBanner() {
  const hadFocus = document.activeElement === button;
  banner.hidden = true;
  if (hadFocus) byId("words").focus();
}
