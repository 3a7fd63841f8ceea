// What happened, newest first. The address holds the filters, so it can be sent
// to somebody: #/timeline?source=door&label=dog, #/timeline/ID for one event.

import { get, query } from './api.js'
import { Card } from './card.js'
import { h, replace, write } from './dom.js'
import { bytes } from './format.js'
import { Strip } from './strip.js'
import { t } from './texts.js'

const page = 40 // cards fetched at once
const most = 400 // cards shown; beyond that the oldest go

const names = ['source', 'kind', 'label', 'text', 'to'] // of the filters
const kinds = ['motion', 'sound', 'pin', 'caption', 'objects', 'transcript', 'answer']

export function timeline(ctx) {
  const holder = h('div')
  let ended = new AbortController()
  ctx.signal.addEventListener('abort', () => ended.abort())
  const show = (route) => {
    ended.abort()
    ended = new AbortController()
    const inner = { ...ctx, signal: ended.signal }
    replace(holder, route.rest[0] ? one(inner, route.rest[0]) : list(inner, route.search))
    return true
  }
  let shown = null // the list, which takes new filters without being made anew
  const list = (inner, search) => {
    shown = new List(inner, search)
    return shown.element
  }
  ctx.follow((route) => {
    if (shown && !route.rest[0] && shown.element.isConnected) return shown.filter(route.search)
    shown = null
    return show(route)
  })
  show(ctx.route)
  return holder
}

// one shows a single event, and follows it.
function one({ store, signal }, id) {
  const place = h('div', null, h('p', { class: 'empty' }, t.loading))
  let card = null
  const put = (data) => {
    if (data.id !== id) return
    if (card) return card.update(data)
    card = new Card(data, { whole: true })
    replace(place, card.element)
  }
  store.on('card', put, signal)
  const load = () => get('timeline/' + encodeURIComponent(id), signal).then(put, (err) => {
    if (err.name !== 'AbortError' && !card) replace(place, h('p', { class: 'empty' }, err.status === 404 ? t.timeline.lost : err.message))
  })
  store.on('hello', load, signal)
  load()
  return h('div', { class: 'one' }, h('p', null, h('a', { href: '#/timeline' }, '← ' + t.timeline.back)), place)
}

class List {
  constructor({ store, signal }, search) {
    this.store = store
    this.signal = signal
    this.cards = new Map() // by id
    this.fields = {}
    this.list = h('ol', { class: 'events', 'aria-label': t.views.timeline })
    this.note = h('p', { class: 'empty', role: 'status' }, t.loading)
    this.older = h('button', { hidden: true, onclick: () => this.load(this.next) }, t.timeline.older)
    this.held = h('p', { class: 'about' })
    this.strip = new Strip((to) => this.go({ to }), signal)
    this.element = h('div', null, this.form(), this.strip.element, this.list, this.note, this.older, this.held)
    store.on('card', (c) => this.take(c), signal)
    store.on('hello', () => this.filter(this.search), signal)
    store.on('sources', () => this.offer(), signal)
    const counting = setInterval(() => this.recount(), 30_000)
    signal.addEventListener('abort', () => (clearInterval(counting), clearTimeout(this.typing), clearTimeout(this.counted)))
    this.filter(search)
  }

  form() {
    const select = (name) => {
      this.fields[name] = h('select', { onchange: (e) => this.go({ [name]: e.target.value }) })
      return h('label', null, h('span', null, t.timeline[name]), this.fields[name])
    }
    this.fields.text = h('input', {
      type: 'search', oninput: (e) => {
        clearTimeout(this.typing)
        this.typing = setTimeout(() => this.go({ text: e.target.value.trim() }), 300)
      },
    })
    return h('form', { class: 'filters', role: 'search', 'aria-label': t.timeline.filters, onsubmit: (e) => e.preventDefault() },
      select('source'), select('kind'), select('label'), h('label', null, h('span', null, t.timeline.search), this.fields.text),
      h('a', { class: 'button', href: '#/timeline' }, t.timeline.clear))
  }

  // go changes a filter, and with it the address, which leads back to filter.
  go(change) {
    const next = { ...Object.fromEntries(this.search), ...change }
    location.replace('#/timeline' + query(Object.fromEntries(names.map((n) => [n, next[n]]))))
  }

  // filter shows what fits; the address has said it.
  filter(search) {
    this.search = search
    this.wanted = Object.fromEntries(names.map((n) => [n, search.get(n) ?? '']))
    if (document.activeElement !== this.fields.text) this.fields.text.value = this.wanted.text
    this.offer()
    this.loading?.abort()
    this.loading = new AbortController()
    this.load()
    this.recount()
    return true
  }

  // offer fills the selections with what there is to choose from.
  async offer() {
    let facets = { sources: [], kinds: [], labels: [] }
    try {
      facets = await get('timeline/facets', this.signal)
    } catch {
      // The names of the sources are known all the same.
    }
    const fill = (name, values) => {
      const all = [...new Set([...values.map((v) => v[0]), this.wanted[name]].filter(Boolean))]
      const words = new Map(values)
      replace(this.fields[name], h('option', { value: '' }, t.timeline.all), all.map((v) => h('option', { value: v }, words.get(v) ?? v)))
      this.fields[name].value = this.wanted[name]
    }
    fill('source', [...new Set([...this.store.sources.map((s) => s.name), ...facets.sources])].map((s) => [s, s]))
    fill('kind', kinds.map((k) => [k, t.kinds[k]]))
    fill('label', facets.labels.map((l) => [l.label, `${l.label} (${l.count})`]))
  }

  async load(before) {
    const signal = AbortSignal.any([this.loading.signal, this.signal])
    try {
      const got = await get('timeline' + query({ ...this.wanted, before, limit: page }), signal)
      if (!before) {
        for (const card of this.cards.values()) card.element.remove()
        this.cards.clear()
      }
      for (const c of got.cards) this.append(c)
      this.next = got.next
      this.older.hidden = !got.next
      write(this.held, got.held ? t.timeline.held(got.held, bytes(got.bytes)) : '')
      this.strip.oldest = got.oldest
      this.tell()
    } catch (err) {
      if (err.name === 'AbortError') return
      this.note.hidden = false
      write(this.note, err.message)
    }
  }

  tell() {
    this.note.hidden = this.cards.size > 0
    write(this.note, Object.values(this.wanted).some(Boolean) ? t.timeline.noneFit : t.timeline.none)
  }

  append(data) {
    if (this.cards.has(data.id)) return this.cards.get(data.id).update(data)
    const card = new Card(data)
    this.cards.set(data.id, card)
    this.list.append(card.element)
  }

  // take puts what just happened where it belongs: into its card, or on top.
  take(data) {
    clearTimeout(this.counted)
    this.counted = setTimeout(() => this.recount(), 2000)
    const there = this.cards.get(data.id)
    if (there) {
      there.update(data)
      return
    }
    if (!this.fits(data)) return
    const card = new Card(data)
    const after = [...this.cards.values()].find((c) => c.data.time <= data.time)
    this.list.insertBefore(card.element, after ? after.element : null)
    this.cards = new Map([...this.cards, [data.id, card]].sort((a, b) => (a[1].data.time < b[1].data.time ? 1 : -1)))
    if (this.cards.size > most) {
      const [id, last] = [...this.cards].at(-1)
      last.element.remove()
      this.cards.delete(id)
      this.next = [...this.cards.keys()].at(-1)
      this.older.hidden = false
    }
    this.tell()
  }

  // fits tells whether the daemon would have sent this card for our filters.
  fits(c) {
    const { source, kind, label, text, to } = this.wanted
    const words = [c.text, ...(c.labels ?? [])].join(' ').toLowerCase()
    return (!source || c.source === source) && (!kind || c.kinds.includes(kind)) && (!label || (c.labels ?? []).includes(label)) &&
      text.toLowerCase().split(/\s+/).every((w) => words.includes(w)) && (!to || c.time <= to)
  }

  recount() {
    const { source, kind, label, text, to } = this.wanted
    this.strip.show({ source, kind, label, text }, to, this.store.now())
  }
}
