// How the daemon and its board are doing.

import { get } from './api.js'
import { h, replace, write } from './dom.js'
import { amount, bytes, clock, degrees, ms, percent, span } from './format.js'
import { Plot } from './plot.js'
import { t } from './texts.js'

const refresh = 10_000 // ms, the step of the fine history
const lines = 200 // of the log

const plots = () => {
  const { plots: title, units } = t.health
  return [
    new Plot(title.latency, ['wait_ms', 'encode_ms', 'prefill_ms', 'decode_ms', 'total_ms'], ms),
    new Plot(title.tokens, ['tokens_per_s'], (x) => amount(x) + ' ' + units.tokens),
    new Plot(title.rates, ['answers_per_minute', 'drops_per_minute'], (x) => amount(x) + ' ' + units.minute),
    new Plot(title.queue, ['questions_waiting']),
    new Plot(title.temperature, ['temperature_c'], degrees),
    new Plot(title.memory, ['memory_anonymous_bytes', 'memory_available_bytes'], bytes),
    new Plot(title.outbox, ['outbox_messages']),
    new Plot(title.load, ['load_level']),
    new Plot(title.shares, ['broker_connected', 'clock_throttled'], percent),
  ]
}

export function health({ store, want, signal }) {
  want(['health', 'log'])
  const problems = h('div', { class: 'problems' })
  const tiles = h('dl', { class: 'tiles' })
  const drops = table(t.health.dropColumns)
  const sources = table(t.health.sourceColumns)
  const model = h('dl', { class: 'facts' })
  const kernels = table(t.health.kernelColumns)
  kernels.element.dataset.table = 'kernels'
  const log = new Log()
  const drawn = plots()
  let range = 'hour'
  let history = null

  const choice = h('fieldset', { class: 'toolbar' }, h('legend', { class: 'hidden' }, t.health.range), ['hour', 'day'].map((r) =>
    h('label', { class: 'chip' }, h('input', { type: 'radio', name: 'range', checked: r === range, onchange: () => ((range = r), draw()) }), t.health[r])))

  function draw() {
    if (!history) return
    const length = range === 'hour' ? 360 : 288
    for (const p of drawn) p.show(history[range], length)
  }

  async function fetchHistory() {
    try {
      history = await get('health/history', signal)
      draw()
    } catch {
      // The old curves stay; when the daemon is gone the page says so.
    }
  }

  async function fetchAll() {
    fetchHistory()
    try {
      const [now, what, said] = await Promise.all([get('health', signal), get('model', signal), get('log?lines=' + lines, signal)])
      show(now)
      showModel(what)
      log.fill(said.lines ?? [])
    } catch (err) {
      if (err.name !== 'AbortError') replace(problems, h('p', { class: 'trouble' }, err.message))
    }
  }

  function show(s) {
    const list = s.problems.length ? [h('h2', null, t.health.problems), h('ul', null, s.problems.map((p) => h('li', null, p)))] : [h('p', { class: 'well' }, t.health.allWell)]
    if (problems.dataset.now !== s.problems.join('\n') || !problems.firstChild) replace(problems, list)
    problems.dataset.now = s.problems.join('\n')
    replace(tiles, facts(s).map(([name, value, more]) => h('div', { class: 'tile' }, h('dt', null, name), h('dd', null, value, more && h('small', null, more)))))
    drops.fill((s.queue.drops ?? []).map((d) => [d.source, d.task, d.reason, d.count]), t.health.noDrops)
    sources.fill((s.sources ?? []).map((x) => [x.name, [t.states[x.state] ?? x.state, x.why].filter(Boolean).join(': '), x.seen, x.asked, x.answered]), t.live.none)
  }

  function showModel(m) {
    const rows = [[t.health.modelName, m.name || t.loading], [t.health.modelFile, m.file || t.health.bundled], [t.health.quant, m.quant || t.health.unknown], [t.health.hash, m.sha256 || t.health.notHashed],
      [t.health.sets, (m.table ?? []).map((k) => (k.active ? t.health.inUse(k.name) : k.name)).join(', ') || m.kernels]]
    replace(model, rows.map(([k, v]) => [h('dt', null, k), h('dd', null, v)]).flat())
    kernels.fill((m.choices ?? []).map((c) => [c.operation, c.weights.join(', ') || t.health.allWeights, c.kernel]), m.kernels)
  }

  store.on('health', show, signal)
  store.on('log', (l) => log.add(l), signal)
  store.on('hello', fetchAll, signal)
  const timer = setInterval(() => !document.hidden && fetchHistory(), refresh)
  signal.addEventListener('abort', () => clearInterval(timer))
  fetchAll()
  return h('div', null, problems, tiles, choice, h('div', { class: 'plots' }, drawn.map((p) => p.element)),
    h('div', { class: 'columns' },
      section(t.health.sources, sources.element), section(t.health.drops, drops.element),
      section(t.health.model, model), section(t.health.kernels, kernels.element)),
    section(t.health.log, log.element))
}

// facts are the tiles: name, value, a word more.
function facts(s) {
  const w = t.health
  const out = [[w.uptime, span(s.uptime_s), s.program]]
  if (s.board.temperature_c !== undefined) out.push([w.temperature, degrees(s.board.temperature_c)])
  if (s.board.power) out.push(power(s.board.power))
  out.push(
    [w.memory, bytes(s.memory.anonymous), s.memory.available ? `${bytes(s.memory.available)} ${w.available}` : ''],
    [w.load, s.load.name, s.load.why],
    [w.speed, `${amount(s.speed.tokens_per_s)} ${w.series.tokens_per_s}${w.units.tokens}`, ms(s.speed.latency_ms.total)],
    [w.queue, String(s.queue.waiting), w.answered(s.queue.answered, s.queue.failed)],
    [w.broker, s.broker.connected ? w.connected : w.notConnected, s.broker.address],
    [w.outbox, w.messages(s.outbox.messages), [s.outbox.durable ? w.durable : w.inMemory, s.outbox.dropped ? w.dropped(s.outbox.dropped) : ''].filter(Boolean).join(', ')],
  )
  return out
}

function power(p) {
  const words = Object.entries(t.health.powerWords)
  const now = words.filter(([k]) => p[k]).map(([, v]) => v)
  const before = words.filter(([k]) => p[k + '_occurred']).map(([, v]) => v)
  return [t.health.power, now.join(', ') || t.health.powerGood, before.length ? t.health.powerOccurred(before.join(', ')) : '']
}

const section = (title, element) => h('section', { class: 'card' }, h('h2', null, title), element)

// table has a head and rows; none: a sentence instead.
function table(columns) {
  const body = h('tbody')
  const none = h('p', { class: 'about' })
  const grid = h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': columns.join(', ') },
    h('table', null, h('thead', null, h('tr', null, columns.map((c) => h('th', { scope: 'col' }, c)))), body))
  let shown = ''
  return {
    element: h('div', null, grid, none),
    fill(rows, otherwise) {
      const key = JSON.stringify(rows)
      if (key === shown) return
      shown = key
      grid.hidden = rows.length === 0
      write(none, rows.length ? '' : otherwise)
      replace(body, rows.map((r) => h('tr', null, r.map((c) => h('td', null, String(c))))))
    },
  }
}

// Log shows the last lines; it stays at the end while the reader is there.
class Log {
  constructor() {
    this.list = h('ol')
    this.element = h('div', { class: 'log', tabindex: 0, role: 'log', 'aria-live': 'off', 'aria-label': t.health.log }, this.list)
  }

  fill(all) {
    replace(this.list, all.map((l) => this.line(l)))
    this.element.scrollTop = this.element.scrollHeight
  }

  add(l) {
    const e = this.element
    const atEnd = e.scrollTop + e.clientHeight >= e.scrollHeight - 8
    this.list.append(this.line(l))
    while (this.list.childElementCount > lines) this.list.firstChild.remove()
    if (atEnd) e.scrollTop = e.scrollHeight
  }

  line({ time, level, message, attrs }) {
    return h('li', { class: level.toLowerCase() }, h('time', { datetime: time }, clock(time)), ' ', h('b', null, level), ' ', message,
      (attrs ?? []).map(([k, v]) => h('span', null, ` ${k}=${v}`)))
  }
}
