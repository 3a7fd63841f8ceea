// Asks about what a camera sees now, looks for things, or listens for a while.

import { address, messages, Problem, request } from './api.js'
import { h, replace, write } from './dom.js'
import { clock, ms, percent, thing } from './format.js'
import { colour, draw } from './overlay.js'
import { t } from './texts.js'

const kept = 20 // answers shown

// What each mode asks for, of which sources.
const modes = {
  ask: { senses: ['camera', 'microphone'], fields: ['question', 'choices'] },
  describe: { senses: ['camera'], fields: [] },
  detect: { senses: ['camera'], fields: ['labels'] },
  transcribe: { senses: ['microphone'], fields: ['seconds'] },
}

const list = (text) => text.split(',').map((x) => x.trim()).filter(Boolean)

export function ask({ store, signal }) {
  let mode = 'ask'
  let waiting = null // what ends the present question
  const source = h('select', { id: 'ask-source', onchange: () => arrange() })
  const inputs = {
    question: h('textarea', { id: 'ask-question', rows: 2, maxlength: 4000, onkeydown: (e) => e.key === 'Enter' && !e.shiftKey && (e.preventDefault(), form.requestSubmit()) }),
    choices: h('input', { id: 'ask-choices', autocomplete: 'off' }),
    labels: h('input', { id: 'ask-labels', autocomplete: 'off' }),
    seconds: h('input', { id: 'ask-seconds', type: 'number', min: 1, max: 30, value: 5 }),
  }
  const rows = Object.fromEntries(Object.entries(inputs).map(([name, field]) =>
    [name, h('p', { class: 'field' }, h('label', { htmlFor: field.id }, t.ask[name]), field)]))
  const buttons = Object.keys(modes).map((name) => h('label', { class: 'chip' },
    h('input', { type: 'radio', name: 'mode', value: name, checked: name === mode, onchange: () => ((mode = name), arrange()) }), t.ask.modes[name]))
  const submit = h('button', { class: 'main' }, t.ask.submit)
  const stop = h('button', { type: 'button', hidden: true, onclick: () => waiting?.abort() }, t.ask.stop)
  const answers = h('ol', { class: 'answers', 'aria-label': t.ask.answers })
  const none = h('p', { class: 'empty' }, t.ask.none)
  const form = h('form', { class: 'card ask-form', onsubmit: send },
    h('fieldset', null, h('legend', null, t.ask.what), h('div', { class: 'toolbar' }, buttons)),
    h('p', { class: 'field' }, h('label', { htmlFor: 'ask-source' }, t.ask.source), source),
    Object.values(rows), h('p', { class: 'toolbar' }, submit, stop))

  // arrange offers what the mode can do.
  function arrange() {
    const fit = store.sources.filter((s) => modes[mode].senses.includes(s.sense))
    const before = source.value
    replace(source, fit.map((s) => h('option', { value: s.name }, s.name)))
    if (fit.some((s) => s.name === before)) source.value = before
    const ear = store.source(source.value)?.sense === 'microphone'
    for (const [name, row] of Object.entries(rows)) row.hidden = !(modes[mode].fields.includes(name) || (name === 'seconds' && ear))
    inputs.question.required = mode === 'ask'
    submit.disabled = fit.length === 0 || waiting !== null
    write(none, fit.length === 0 ? t.ask.noSource : t.ask.none)
    none.hidden = fit.length > 0 && answers.childElementCount > 0
  }

  function body() {
    const b = { source: source.value }
    if (mode === 'ask') {
      b.question = inputs.question.value.trim()
      const choices = list(inputs.choices.value)
      if (choices.length) b.choices = choices
    }
    if (mode === 'detect' && list(inputs.labels.value).length) b.labels = list(inputs.labels.value)
    if (!rows.seconds.hidden) b.seconds = Number(inputs.seconds.value)
    return b
  }

  async function send(e) {
    e.preventDefault()
    if (waiting) return
    waiting = new AbortController()
    signal.addEventListener('abort', () => waiting?.abort())
    submit.disabled = true
    stop.hidden = false
    const b = body()
    const place = new Exchange(mode, b, store)
    answers.prepend(place.element)
    while (answers.childElementCount > kept) answers.lastChild.remove()
    none.hidden = true
    await place.run(waiting.signal)
    waiting = null
    stop.hidden = true
    arrange()
  }

  store.on('sources', arrange, signal)
  arrange()
  return h('div', { class: 'ask-view' }, form, h('div', null, none, answers))
}

// Exchange is one question and what becomes of it.
class Exchange {
  constructor(mode, body, store) {
    this.mode = mode
    this.body = body
    this.store = store
    const what = body.question ?? (body.labels ? `${t.ask.modes[mode]}: ${body.labels.join(', ')}` : t.ask.modes[mode])
    this.words = h('p', { class: 'words growing', 'aria-live': 'polite', 'aria-busy': 'true' }, body.seconds ? t.ask.listening(body.seconds) : t.ask.waiting)
    this.more = h('div')
    this.element = h('li', { class: 'event' }, h('div', { class: 'body' },
      h('p', { class: 'head' }, h('span', { class: 'from' }, body.source), h('time', null, clock(store.now()))),
      h('p', { class: 'question' }, what), this.words, this.more))
  }

  async run(signal) {
    try {
      const answer = await request('POST', 'commands/' + this.mode, this.body, { signal, accept: 'text/event-stream' })
      let reply = null
      for await (const m of messages(answer.body)) {
        if (m.name === 'text') write(this.words, m.data.text)
        if (m.name === 'reply') reply = m.data
      }
      if (!reply) throw new Problem(0, t.nobodyAnswers)
      this.finish(reply)
    } catch (err) {
      this.settle(err.name === 'AbortError' ? t.ask.cancelled : err.message, true)
    }
  }

  settle(text, bad) {
    write(this.words, text)
    this.words.className = bad ? 'words trouble' : 'words'
    this.words.setAttribute('aria-busy', 'false')
  }

  finish(reply) {
    const found = reply.objects
    const text = this.mode === 'detect' && found ? (found.length ? t.ask.found(found.length) : t.live.nothingFound) : reply.text
    this.settle(reply.status === 'done' ? text || t.ask.nothing : reply.error || t.ask.nothing, reply.status !== 'done')
    const facts = [reply.latency_ms && ms(reply.latency_ms.total), reply.score !== undefined && percent(reply.score), reply.model?.name].filter(Boolean)
    const things = found?.length ? h('ul', { class: 'things', 'aria-label': t.live.objects }, found.map((o) => {
      const dot = h('i', { 'aria-hidden': 'true' })
      dot.style.backgroundColor = colour(o.label)
      return h('li', null, dot, thing(o))
    })) : null
    replace(this.more, things, h('p', { class: 'about' }, facts.join(' · ')))
    if (this.store.source(reply.source)?.sense === 'camera' && reply.status === 'done') this.picture(reply)
  }

  // picture shows what the model has looked at, with what it found there.
  picture(reply) {
    const over = h('canvas', { class: 'over', 'aria-hidden': 'true' })
    const paint = () => over.isConnected && draw(over, { objects: reply.objects ?? [] })
    const image = h('img', {
      alt: t.ask.picture(reply.source), src: address(`timeline/${encodeURIComponent(reply.id)}/thumbnail`),
      onload: paint, onerror: () => stage.remove(),
    })
    const stage = h('div', { class: 'stage' }, image, over)
    if (reply.frame) stage.style.aspectRatio = `${reply.frame[0]} / ${reply.frame[1]}`
    this.element.prepend(stage)
    new ResizeObserver(paint).observe(stage)
  }
}
