// Elements without markup: text from the network only ever becomes text nodes.

export const $ = (id) => document.getElementById(id);

/** `h("p.note", {id: "x", onclick: f}, "text", child)`. */
export function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const item of rest.flat()) {
    if (item === null || item === undefined || item === false) continue;
    if (item instanceof Node || typeof item !== "object") element.append(item);
    else for (const [key, value] of Object.entries(item)) set(element, key, value);
  }
  return element;
}

function set(element, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else element.setAttribute(key, value === true ? "" : value);
}

/** Writes only what differs: an untouched node costs no layout, and keeps a selection. */
export function text(element, value) {
  const next = String(value);
  if (element.textContent !== next) element.textContent = next;
}

export function attr(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Keeps one element for each key, in the order of `items`; focus stays where it is. */
export function keyed(parent, items, key, make, show) {
  const had = new Map();
  for (const child of [...parent.children]) {
    if (child.dataset.key === undefined) child.remove();
    else had.set(child.dataset.key, child);
  }
  let at = null;
  for (const item of items) {
    const id = key(item);
    let child = had.get(id);
    if (child) had.delete(id);
    else {
      child = make(item);
      child.dataset.key = id;
    }
    const place = at ? at.nextSibling : parent.firstChild;
    if (child !== place) parent.insertBefore(child, place);
    show(child, item);
    at = child;
  }
  for (const gone of had.values()) gone.remove();
}
