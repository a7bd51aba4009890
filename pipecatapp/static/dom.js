// Nodes of the page. Every text becomes a text node: there is no way in here for markup.

/** Return the element of the page with this id. */
export const byId = id => document.getElementById(id);

/**
 * Return a new element.
 *
 * attributes: null and false leave an attribute out, true sets it empty; `on` has listeners by event.
 * children: nodes, texts, numbers and lists of them; null and false are left out.
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== false));
  return node;
}

/** Return `1 line`, `2,000 lines`. */
export const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

const announcer = byId("said");

/** Have screen readers say a text, without a change of what is seen. */
export function announce(text) {
  announcer.textContent = text;
}
