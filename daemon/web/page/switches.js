// Switches of the node and of each source. They act at once; the daemon says how
// they stand then, whoever has set them.

import { call } from './api.js'
import { attribute, h, replace, write } from './dom.js'
import { t } from './texts.js'

const onOff = ['ON', 'OFF']

export function switches({ store, signal }) {
  const said = h('p', { class: 'about', role: 'status' })
  const groups = h('div', { class: 'columns' })
  let rows = new Map()

  function arrange(changed) {
    if (changed) {
      rows.get(key(changed))?.show(changed)
      return
    }
    rows = new Map(store.switches.map((s) => [key(s), new Row(s, said)]))
    const names = [...new Set(store.switches.map((s) => s.source ?? ''))]
    replace(groups, names.map((name) => h('section', { class: 'card' }, h('h2', null, name || t.switches.node),
      store.switches.filter((s) => (s.source ?? '') === name).map((s) => rows.get(key(s)).element))))
  }

  store.on('switches', arrange, signal)
  arrange()
  return h('div', null, h('p', { class: 'about' }, t.switches.note), said, groups)
}

const key = (s) => `${s.source ?? ''}/${s.name}`

class Row {
  constructor(setting, said) {
    this.said = said
    const { name, source, kind } = setting
    this.name = t.switches.names[name] ?? name
    const id = 'switch-' + key(setting)
    const label = t.switches.label(source || t.switches.node, this.name)
    this.field = { switch: () => this.toggle(id, label), number: () => this.number(id, label, setting) }[kind]?.() ?? this.text(id, label, setting)
    this.trouble = h('p', { class: 'trouble', role: 'alert' })
    this.reset = h('button', { type: 'button', class: 'quiet', 'aria-label': `${t.switches.reset}: ${label}`, onclick: () => this.set(this.setting.default) }, t.switches.reset)
    this.element = h('div', { class: `setting of-${kind}` }, h('div', { class: 'name' }, h('label', { htmlFor: id }, this.name), h('small', null, t.switches.hints[name] ?? '')),
      h('div', { class: 'value' }, this.field, this.unit, this.reset), this.trouble)
    this.show(setting)
  }

  toggle(id, label) {
    return h('input', { id, type: 'checkbox', role: 'switch', class: 'switch', 'aria-label': label, onchange: (e) => this.set(onOff[e.target.checked ? 0 : 1]) })
  }

  number(id, label, { min, max, step, unit }) {
    const limited = max <= 1 // a share, for which a slider is best
    this.unit = h('output', { class: 'unit' }, unit ?? '')
    this.limited = limited
    return h('input', {
      id, type: limited ? 'range' : 'number', min: min ?? 0, max, step: step ?? 'any', 'aria-label': label,
      oninput: (e) => limited && write(this.unit, e.target.value), onchange: (e) => this.set(e.target.value),
    })
  }

  text(id, label, { max_bytes: most }) {
    return h('input', { id, type: 'text', maxlength: most, autocomplete: 'off', 'aria-label': label, onchange: (e) => this.set(e.target.value) })
  }

  // show takes how the switch stands; what the reader is writing is left alone.
  show(setting) {
    const written = this.setting && this.field === document.activeElement && this.field.type !== 'checkbox' && this.field.value !== this.setting.value
    this.setting = setting
    if (setting.kind === 'switch') this.field.checked = setting.value === onOff[0]
    else if (!written) this.field.value = setting.value
    if (this.limited) write(this.unit, this.field.value)
    this.reset.hidden = setting.value === setting.default || setting.kind === 'switch'
    attribute(this.element, 'data-value', setting.value)
  }

  async set(value) {
    write(this.trouble, '')
    const { source, name } = this.setting
    try {
      const now = await call('PUT', 'switches', { ...(source && { source }), name, value: String(value) })
      this.setting = null // what was written has been taken
      this.show(now)
      const word = now.kind === 'switch' ? (now.value === onOff[0] ? t.switches.on : t.switches.off) : now.value
      write(this.said, t.switches.done(t.switches.label(source || t.switches.node, this.name), word))
    } catch (err) {
      write(this.trouble, err.message)
      if (this.setting.kind === 'switch') this.field.checked = this.setting.value === onOff[0]
    }
  }
}
