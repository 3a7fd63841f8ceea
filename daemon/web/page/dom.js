// Builds the page. Captions, labels and names come from outside and may be
// anything: they become text nodes and attribute values here, never markup.

const properties = new Set(['value', 'checked', 'disabled', 'hidden', 'htmlFor', 'textContent', 'selected', 'open', 'width', 'height'])

// h makes an element: h('p', {class: 'note', onclick: f}, 'text', child, null).
export function h(name, props, ...children) {
  return fill(document.createElement(name), props, children)
}

// svg makes an element of a drawing.
export function svg(name, props, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), props, children)
}

function fill(el, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null) continue
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value)
    else if (properties.has(key) && key in el && !(el instanceof SVGElement)) el[key] = value
    else attribute(el, key, value)
  }
  el.append(...children.flat().filter(present))
  return el
}

const present = (child) => child !== null && child !== undefined && child !== false

// attribute sets an attribute, or removes it for false and null. aria-* and the
// like have the words true and false.
export function attribute(el, key, value) {
  const word = key.startsWith('aria-')
  if (value === null || value === undefined || (value === false && !word)) el.removeAttribute(key)
  else el.setAttribute(key, value === true && !word ? '' : String(value))
}

// write changes a text only when it is another one, so that a screen reader and
// a selection are left in peace.
export function write(el, text) {
  if (el.textContent !== text) el.textContent = text
}

// replace puts children in the place of those that are there.
export function replace(el, ...children) {
  el.replaceChildren(...children.flat().filter(present))
}

const icons = {
  live: 'M2 12c3-5 6-7.500 10-7.500S19 7 22 12c-3 5-6 7.500-10 7.500S5 17 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z',
  timeline: 'M5 4v16M5 7h3M5 12h3M5 17h3M12 7h8M12 12h8M12 17h5',
  ask: 'M4 5h16v11H11l-5 4v-4H4zM9.500 10.500h.01M12 10.500h.01M14.500 10.500h.01',
  health: 'M2 12h5l2.500-6 4.500 12 2.500-6H22',
  switches: 'M7 5h10a4 4 0 0 1 0 8H7a4 4 0 0 1 0-8zM17 7.500a1.500 1.500 0 1 0 0 3 1.500 1.500 0 0 0 0-3zM4 18h16',
  config: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h5',
}

// icon draws one of the signs of the navigation; it says nothing to a screen reader.
export function icon(name) {
  return svg('svg', { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': true }, svg('path', { d: icons[name] }))
}
