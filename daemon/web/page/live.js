// What the cameras see and the microphones hear.

import { Camera } from './camera.js'
import { h, replace } from './dom.js'
import { Microphone } from './microphone.js'
import { t } from './texts.js'

const key = 'sensed.layers' // in the browser's storage

// layers are what the reader wants drawn over the pictures.
function layers() {
  const standard = { boxes: true, heat: false, masks: true }
  try {
    return { ...standard, ...JSON.parse(localStorage.getItem(key)) }
  } catch {
    return standard
  }
}

// live is a view: given the store and what ends it, an element.
export function live({ store, want, signal }) {
  const shown = layers()
  const grid = h('div', { class: 'grid' })
  let tiles = new Map()

  const toggles = Object.entries(t.live.layers).map(([name, label]) =>
    h('label', { class: 'chip' }, h('input', {
      type: 'checkbox', checked: shown[name],
      onchange(e) {
        shown[name] = e.target.checked
        try {
          localStorage.setItem(key, JSON.stringify(shown))
        } catch {
          // Without storage it holds until the page is closed.
        }
        for (const tile of tiles.values()) tile.paint()
      },
    }), label))

  function arrange() {
    const before = tiles
    tiles = new Map()
    for (const s of store.sources) {
      const tile = before.get(s.name + s.sense)
      before.delete(s.name + s.sense)
      tile?.update(s)
      tiles.set(s.name + s.sense, tile ?? (s.sense === 'camera' ? new Camera(s, store, shown) : new Microphone(s, store)))
    }
    for (const tile of before.values()) tile.close()
    replace(grid, [...tiles.values()].map((x) => x.element), tiles.size === 0 && h('p', { class: 'empty' }, t.live.none))
    want(['levels'], store.cameras().map((s) => s.name))
  }

  store.on('sources', arrange, signal)
  const ticking = setInterval(() => tiles.forEach((x) => x.tick()), 1000)
  signal.addEventListener('abort', () => {
    clearInterval(ticking)
    for (const tile of tiles.values()) tile.close()
  })
  arrange()
  return h('div', null, h('div', { class: 'toolbar', role: 'group', 'aria-label': t.live.layersOf(t.views.live) }, toggles), grid)
}
