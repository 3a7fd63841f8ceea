// One microphone: how loud it is, where somebody speaks, and the words.

import { get, query } from './api.js'
import { attribute, h, write } from './dom.js'
import { age, clock, loudness } from './format.js'
import { fit } from './overlay.js'
import { t } from './texts.js'

const floor = -80 // dBFS, the left end of the meter
const length = 240 // levels shown, about half a minute
const kept = 6 // transcripts shown

export class Microphone {
  constructor(source, store) {
    this.source = source
    this.store = store
    this.levels = [] // {level, speech}, oldest first
    this.said = new Map() // id -> {element, time}
    this.ended = new AbortController()
    this.build()
    this.update(source)
    this.sizes = new ResizeObserver(() => this.paint())
    this.sizes.observe(this.history)
    const { signal } = this.ended
    store.on('source:' + source.name, (s) => this.update(s), signal)
    store.on('level', (l) => l.source === source.name && this.measure(l), signal)
    store.on('text', (x) => x.source === source.name && x.kind === 'transcript' && this.put(x.id, x.text, null), signal)
    store.on('card', (c) => c.source === source.name && this.hear(c), signal)
    this.recall()
  }

  build() {
    const { name } = this.source
    this.state = h('span', { class: 'state' })
    this.speech = h('span', { class: 'tag', hidden: true }, t.live.speaking)
    this.bar = h('div', { class: 'bar' })
    this.peak = h('div', { class: 'peak' })
    this.number = h('span', { class: 'number', 'aria-hidden': 'true' })
    this.meter = h('div', { class: 'meter', role: 'meter', 'aria-label': t.live.level(name), 'aria-valuemin': floor, 'aria-valuemax': 0, 'aria-valuenow': floor }, this.bar, this.peak)
    this.history = h('canvas', { class: 'history', role: 'img', 'aria-label': t.live.history(name) })
    this.list = h('ol', { class: 'said' })
    this.nothing = h('p', { class: 'about' }, t.live.nobodySpoke)
    this.element = h('article', { class: 'card microphone', 'aria-label': name },
      h('header', null, h('h2', null, name), this.speech, this.state),
      h('div', { class: 'body' }, h('div', { class: 'loud' }, this.meter, this.number), this.history, this.nothing,
        h('div', { role: 'log', 'aria-label': t.live.transcript(name) }, this.list)))
  }

  update(source) {
    this.source = source
    write(this.state, t.states[source.state] ?? source.state)
    this.state.className = 'state ' + (source.state === 'ok' ? 'good' : ['absent', 'lost', 'failed'].includes(source.state) ? 'bad' : 'off')
    attribute(this.state, 'title', source.why || null)
  }

  // measure takes a level, about eight a second.
  measure({ level, peak, speech }) {
    this.levels.push({ level, speech })
    if (this.levels.length > length) this.levels.shift()
    this.speech.hidden = !speech
    const part = (db) => Math.max(0, Math.min(1, 1 - db / floor))
    this.bar.style.transform = `scaleX(${part(level)})`
    this.peak.style.left = `${part(peak) * 100}%`
    this.meter.classList.toggle('speech', speech)
    attribute(this.meter, 'aria-valuenow', Math.round(Math.max(floor, level)))
    attribute(this.meter, 'aria-valuetext', `${loudness(level)}, ${speech ? t.live.speaking : t.live.quiet}`)
    write(this.number, loudness(level))
    this.paint()
  }

  paint() {
    fit(this.history)
    const g = this.history.getContext('2d')
    const { width, height } = this.history
    const { color: loud, fill: quiet } = getComputedStyle(this.history) // as the style sheet has them, by day and by night
    g.clearRect(0, 0, width, height)
    const step = width / length
    const start = length - this.levels.length
    this.levels.forEach(({ level, speech }, i) => {
      const bar = Math.max(1, Math.min(1, Math.max(0, 1 - level / floor)) * (height - 4))
      g.fillStyle = speech ? loud : quiet
      g.fillRect((start + i) * step, height - 4 - bar, Math.max(1, step - 0.5), bar)
      if (speech) g.fillRect((start + i) * step, height - 3, step + 0.5, 3) // the mark of speech
    })
  }

  // recall shows what was said before the page was opened.
  async recall() {
    try {
      const { cards } = await get('timeline' + query({ source: this.source.name, kind: 'transcript', limit: kept }), this.ended.signal)
      for (const c of cards.reverse()) this.hear(c)
    } catch {
      // It is no loss; what comes is shown.
    }
  }

  hear(card) {
    if (card.text) this.put(card.id, card.text, card)
    else if (!card.open) this.said.get(card.id)?.remove()
  }

  // put shows the words so far, or with their card the final ones, in one place.
  put(id, text, card) {
    let item = this.said.get(id)
    if (!item) {
      item = h('li', null, h('p'), h('a', { class: 'about', href: '#/timeline/' + encodeURIComponent(id) }))
      this.said.set(id, item)
      this.list.append(item)
      while (this.said.size > kept) {
        const [oldest, element] = this.said.entries().next().value
        element.remove()
        this.said.delete(oldest)
      }
    }
    this.nothing.hidden = true
    const growing = !card || card.open
    item.classList.toggle('growing', growing)
    attribute(item, 'aria-busy', growing)
    if (card) item.time = Date.parse(card.time)
    write(item.firstChild, text)
    this.tick()
  }

  tick() {
    for (const item of this.said.values()) {
      const link = item.lastChild
      write(link, item.time ? age(this.store.now() - item.time) : t.live.growing)
      if (item.time) attribute(link, 'title', clock(item.time))
    }
  }

  close() {
    this.ended.abort()
    this.sizes.disconnect()
  }
}
