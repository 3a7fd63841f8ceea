// A day as a strip: how much happened when. A slider lies over it, which goes
// back in time with the mouse, a finger or the arrow keys.

import { get, query } from './api.js'
import { attribute, h, replace, svg, write } from './dom.js'
import { day, shortClock } from './format.js'
import { t } from './texts.js'

const slots = 144 // ten minutes each
const whole = 24 * 3600 * 1000 // ms
const slot = whole / slots

export class Strip {
  constructor(chosen, signal) {
    this.chosen = chosen
    this.signal = signal
    this.oldest = ''
    this.counts = []
    this.end = 0
    this.drawing = svg('svg', { viewBox: `0 0 ${slots} 32`, preserveAspectRatio: 'none', 'aria-hidden': 'true' })
    this.slider = h('input', {
      type: 'range', min: 0, max: slots, step: 1, 'aria-label': t.timeline.strip,
      oninput: () => this.say(), onchange: () => this.choose(),
    })
    this.hours = h('p', { class: 'hours', 'aria-hidden': 'true' })
    this.text = h('output', null)
    this.before = h('button', { class: 'quiet', 'aria-label': t.timeline.dayBefore, title: t.timeline.dayBefore, onclick: () => this.turn(-1) }, '‹')
    this.after = h('button', { class: 'quiet', 'aria-label': t.timeline.dayAfter, title: t.timeline.dayAfter, onclick: () => this.turn(1) }, '›')
    this.element = h('div', { class: 'strip' },
      h('div', { class: 'stripbar' }, this.before, h('div', { class: 'track' }, this.drawing, this.slider), this.after), this.hours, this.text)
  }

  // show counts what fits the filters in the day that ends at the last whole slot
  // after now, or holds the chosen time.
  async show(filters, to, now) {
    this.latest = Math.ceil(now / slot) * slot
    const days = to ? Math.max(0, Math.floor((this.latest - Date.parse(to)) / whole)) : 0
    this.end = this.latest - days * whole
    this.filters = filters
    this.to = to ? Date.parse(to) : 0
    const from = this.end - whole
    try {
      const { counts } = await get('timeline/strip' + query({ ...filters, from: iso(from), to: iso(this.end), slots }), this.signal)
      this.counts = counts
    } catch {
      return
    }
    this.paint(from)
  }

  paint(from) {
    const highest = Math.max(1, ...this.counts)
    replace(this.drawing, this.counts.map((n, i) => {
      if (n === 0) return null
      const height = 4 + 28 * Math.sqrt(n / highest)
      return svg('rect', { x: i + 0.1, y: 32 - height, width: 0.8, height })
    }))
    replace(this.hours, [0, 6, 12, 18, 24].map((hour) => h('span', null, shortClock(from + hour * 3600 * 1000))))
    this.slider.value = this.to ? Math.round((this.to - from) / slot) : slots
    this.before.disabled = !this.oldest || Date.parse(this.oldest) >= from
    this.after.disabled = this.end >= this.latest
    this.say()
  }

  // say puts the slider's place into words.
  say() {
    const i = Number(this.slider.value)
    const at = this.end - whole + i * slot
    const now = i === slots && this.end >= this.latest
    const words = now ? t.timeline.untilNow : `${day(at)}, ${t.timeline.until(shortClock(at))}`
    write(this.text, `${words} · ${t.timeline.count(this.counts[Math.min(i, slots) - 1] ?? 0, shortClock(at - slot))}`)
    attribute(this.slider, 'aria-valuetext', this.text.textContent)
  }

  choose() {
    const i = Number(this.slider.value)
    this.chosen(i === slots && this.end >= this.latest ? '' : iso(this.end - whole + i * slot))
  }

  turn(by) {
    const end = this.end + by * whole
    this.chosen(end >= this.latest ? '' : iso(end))
  }
}

const iso = (ms) => new Date(ms).toISOString()
