// Curves over time, as a drawing of our own.

import { attribute, h, svg, write } from './dom.js'
import { amount, shortClock } from './format.js'
import { t } from './texts.js'

const width = 600
const height = 140

// nice is the least of 1, 2, 5 times a power of ten that is not below x.
export function nice(x) {
  if (!(x > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(x))
  return [1, 2, 5, 10].find((m) => m * power >= x * 0.9999) * power
}

// Plot draws some series of a history; unit writes a value with its unit.
export class Plot {
  constructor(title, series, unit = (x) => amount(x)) {
    this.title = title
    this.series = series
    this.unit = unit
    this.at = -1 // the value that the reader has pointed at
    this.curves = series.map((name, i) => svg('path', { class: `curve c${i}`, 'data-series': name }))
    this.cursor = svg('line', { class: 'cursor', y1: 0, y2: height })
    const grid = [0, 0.25, 0.5, 0.75, 1].map((y) => svg('line', { class: 'rule', x1: 0, x2: width, y1: y * height, y2: y * height }))
    this.drawing = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, grid, this.curves, this.cursor)
    this.top = h('span', { class: 'top' })
    this.from = h('span')
    this.to = h('span')
    this.legend = h('ul', { class: 'legend' }, series.map((name, i) => h('li', { class: `c${i}` }, h('i', { 'aria-hidden': 'true' }), t.health.series[name], h('b'))))
    this.reading = h('p', { class: 'reading', 'aria-live': 'polite' })
    this.area = h('div', {
      class: 'area', role: 'img', 'aria-label': title, tabindex: 0, onkeydown: (e) => this.key(e), onpointermove: (e) => this.point(e), onpointerleave: () => this.read(-1), onblur: () => this.read(-1),
    }, this.drawing, this.top)
    this.element = h('figure', { class: 'card plot' }, h('figcaption', null, h('h2', null, title), this.reading), this.area,
      h('p', { class: 'axis', 'aria-hidden': 'true' }, this.from, this.to), this.legend)
  }

  // show draws curves as the API has them; length is how many values the whole
  // width is: what is not there yet stays empty at the left.
  show(data, length) {
    this.data = data
    this.length = length
    const values = this.series.map((name) => data.series[name] ?? [])
    const highest = Math.max(...values.flat().filter((v) => v !== null), 0)
    this.most = nice(highest)
    attribute(this.element, 'data-most', this.most)
    attribute(this.element, 'data-end', data.end)
    this.curves.forEach((curve, i) => attribute(curve, 'd', this.path(values[i])))
    write(this.top, this.unit(this.most))
    const end = Date.parse(data.end)
    const known = end > 0
    write(this.from, known ? shortClock(end - (length - 1) * data.step_s * 1000) : '')
    write(this.to, known ? shortClock(end) : '')
    const words = this.series.map((name, i) => {
      const known = values[i].filter((v) => v !== null)
      const latest = values[i].at(-1) ?? null
      write(this.legend.children[i].lastChild, latest === null ? '' : this.unit(latest))
      const label = t.health.series[name]
      return known.length ? t.health.latest(label, this.unit(known.at(-1)), this.unit(Math.min(...known)), this.unit(Math.max(...known))) : `${label}: ${t.health.noValues}`
    })
    attribute(this.area, 'aria-label', t.health.plot(this.title, words.join(' ')))
    this.read(this.at)
  }

  x(i, n) {
    return this.length > 1 ? ((this.length - n + i) / (this.length - 1)) * width : width
  }

  // path is interrupted where nothing is known.
  path(values) {
    let d = ''
    let down = false
    values.forEach((v, i) => {
      if (v === null) {
        down = false
        return
      }
      const x = this.x(i, values.length)
      const y = height - (v / this.most) * height
      d += `${down ? 'L' : 'M'}${x.toFixed(2)} ${y.toFixed(3)}`
      if (!down && values[i + 1] == null) d += 'h1' // a single value is a dot
      down = true
    })
    return d
  }

  point(e) {
    const box = this.area.getBoundingClientRect()
    const n = this.count()
    const i = Math.round(((e.clientX - box.left) / box.width) * (this.length - 1)) - (this.length - n)
    this.read(i >= 0 && i < n ? i : -1)
  }

  key(e) {
    const n = this.count()
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -n, End: n }[e.key]
    if (!step || n === 0) return
    e.preventDefault()
    this.read(Math.max(0, Math.min(n - 1, (this.at < 0 ? n : this.at) + step)))
  }

  count() {
    return this.data?.series[this.series[0]]?.length ?? 0
  }

  // read tells the values at one time.
  read(i) {
    const n = this.count()
    this.at = i < n ? i : -1
    this.cursor.setAttribute('visibility', this.at < 0 ? 'hidden' : 'visible')
    if (this.at < 0) {
      write(this.reading, '')
      return
    }
    const x = this.x(i, n)
    this.cursor.setAttribute('x1', x)
    this.cursor.setAttribute('x2', x)
    const time = Date.parse(this.data.end) - (n - 1 - i) * this.data.step_s * 1000
    const values = this.series.map((name) => [t.health.series[name], this.data.series[name]?.[i]]).filter(([, v]) => v !== null && v !== undefined)
    write(this.reading, [shortClock(time), ...values.map(([name, v]) => `${name} ${this.unit(v)}`)].join(' · '))
  }
}
