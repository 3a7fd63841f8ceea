// One thing that happened: what was seen or heard, and the words about it.

import { address, query } from './api.js'
import { attribute, h, replace } from './dom.js'
import { clock, day, ms, percent, thing } from './format.js'
import { colour, draw } from './overlay.js'
import { t } from './texts.js'

const kind = (k) => t.kinds[k] ?? k

// Card shows a card of the timeline; whole shows all that is known of it.
export class Card {
  constructor(data, { whole = false } = {}) {
    this.whole = whole
    this.element = h(whole ? 'article' : 'li', { class: 'event', id: 'event-' + data.id, tabindex: -1 })
    this.update(data)
  }

  // update shows a newer revision in the place of the older one.
  update(data) {
    if (this.data && data.rev < this.data.rev) return
    const focused = this.element.contains(document.activeElement) && document.activeElement !== this.element
    this.data = data
    attribute(this.element, 'data-rev', data.rev)
    attribute(this.element, 'aria-busy', data.open)
    this.element.classList.toggle('open', data.open)
    replace(this.element, this.picture(), h('div', { class: 'body' },
      this.head(), this.words(), this.things(), this.whole && data.events.map((e) => this.details(e))))
    if (focused) this.link.focus()
  }

  // picture keeps the image element, so that it does not flicker when words come.
  picture() {
    const { id, thumbnail, rev, source, events } = this.data
    if (!thumbnail) return null
    const objects = events.findLast((e) => e.objects)
    if (!this.image) {
      this.image = h('img', { loading: 'lazy', decoding: 'async', onload: () => this.paint() })
      this.over = h('canvas', { class: 'over', 'aria-hidden': 'true' })
      this.stage = h('div', { class: 'stage' }, this.image, this.over)
    }
    const { size } = this.data
    if (size?.[0]) this.stage.style.aspectRatio = `${size[0]} / ${size[1]}`
    const from = address(`timeline/${encodeURIComponent(id)}/thumbnail`) + query({ rev })
    if (!this.image.src) this.image.src = from
    attribute(this.image, 'alt', t.timeline.thumbnail(source))
    this.objects = objects?.objects ?? []
    requestAnimationFrame(() => this.paint())
    return this.stage
  }

  paint() {
    if (this.over?.isConnected) draw(this.over, { objects: this.objects })
  }

  head() {
    const { id, time, source, kinds, text } = this.data
    this.link = h('a', {
      href: '#/timeline/' + encodeURIComponent(id), 'aria-label': t.timeline.permalinkOf(text || kinds.map(kind).join(', '), clock(time)),
      'aria-current': this.whole ? 'page' : null,
    }, h('time', { datetime: time, title: day(time) }, clock(time)))
    return h('p', { class: 'head' }, this.link, h('span', { class: 'from' }, source), kinds.map((k) => h('span', { class: 'tag' }, kind(k))))
  }

  words() {
    const { text, open, why, events } = this.data
    const answers = events.filter((e) => e.kind === 'answer' && e.text && e.text !== text)
    return [
      text ? h('p', { class: 'words' }, text) : null,
      answers.map((e) => h('p', { class: 'answer' }, `${e.task}: ${e.text}`)),
      open ? h('p', { class: 'about' }, t.timeline.open) : null,
      why && !text ? h('p', { class: 'about' }, why) : null,
      !text && !why && !open ? h('p', { class: 'about' }, this.measure()) : null,
    ].flat()
  }

  // measure says what is known where there are no words.
  measure() {
    const e = this.data.events.at(-1)
    if (!e) return ''
    const parts = []
    if (e.kind === 'motion' && e.level) parts.push(t.timeline.moved(e.level))
    if (e.kind === 'sound' && e.level !== undefined) parts.push(t.timeline.loud(e.level))
    if (e.duration_s) parts.push(t.timeline.seconds(e.duration_s))
    if (e.state) parts.push(e.state)
    return parts.join(' · ')
  }

  things() {
    const e = this.data.events.findLast((e) => e.objects)
    if (!e?.objects?.length) return null
    return h('ul', { class: 'things', 'aria-label': t.live.objects }, e.objects.map((o) => {
      const dot = h('i', { 'aria-hidden': 'true' })
      dot.style.backgroundColor = colour(o.label)
      return h('li', null, dot, thing(o))
    }))
  }

  details(e) {
    const d = t.timeline.details
    const rows = [
      [d.time, `${day(e.time)}, ${clock(e.time)}`],
      [d.status, e.status && [t.timeline.outcomes[e.status] ?? e.status, e.error].filter(Boolean).join(': ')],
      [d.task, e.task],
      [d.score, e.score !== undefined && percent(e.score)],
      [d.latency, e.latency_ms && Object.entries(t.timeline.latency).map(([k, words]) => `${words} ${ms(e.latency_ms[k])}`).join(', ')],
      [d.model, e.model && [e.model.name, e.model.quant, e.model.sha256?.slice(0, 12)].filter(Boolean).join(' · ')],
      [d.prompt, e.prompt_id],
      [d.sample, e.sample],
    ]
    return h('section', { class: 'details' }, h('h2', null, kind(e.kind)), e.text && h('p', null, e.text),
      h('dl', null, rows.filter((r) => r[1]).map(([k, v]) => [h('dt', null, k), h('dd', null, v)]).flat()))
  }
}
