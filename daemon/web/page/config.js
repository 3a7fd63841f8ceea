// The configuration: checked by the daemon as one types, compared, saved, taken back.

import { call, get } from './api.js'
import { h, replace, write } from './dom.js'
import { clock, day } from './format.js'
import { t } from './texts.js'

const pause = 300 // ms without a key until the text is checked

let draft = null // {text, revision} that was not saved when the view was left

export function config(ctx) {
  const place = h('div', null, h('p', { class: 'empty' }, t.loading))
  const load = async (done = '') => {
    try {
      const file = await get('config', ctx.signal)
      replace(place, new Editor(file, ctx, load, done).element)
    } catch (err) {
      if (err.name === 'AbortError') return
      replace(place, h('p', { class: 'empty' }, err.status === 404 ? t.config.absent : err.message))
    }
  }
  load()
  return place
}

class Editor {
  constructor(file, { signal }, again, done) {
    this.file = file
    this.done = h('p', { class: 'saved', role: 'status' }, done)
    this.again = again
    this.signal = signal
    this.build()
    this.area.value = draft?.text ?? file.text
    if (draft) this.file.revision = draft.revision
    this.count()
    this.check()
    addEventListener('beforeunload', (e) => this.changed() && e.preventDefault(), { signal })
    signal.addEventListener('abort', () => {
      clearTimeout(this.typing)
      draft = this.changed() ? { text: this.area.value, revision: this.file.revision } : null
    })
  }

  build() {
    const { path, writable, why, pending } = this.file
    this.numbers = h('pre', { class: 'numbers', 'aria-hidden': 'true' })
    this.area = h('textarea', {
      id: 'config-text', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', wrap: 'off', readOnly: !writable, 'aria-describedby': 'config-state',
      oninput: () => this.type(), onscroll: () => (this.numbers.scrollTop = this.area.scrollTop),
      onkeydown: (e) => (e.ctrlKey || e.metaKey) && e.key === 's' && (e.preventDefault(), this.save.disabled || this.store()),
    })
    this.state = h('p', { id: 'config-state', class: 'about', role: 'status' })
    this.mistakes = h('ul', { class: 'mistakes' })
    this.effect = h('div')
    this.diff = h('div', { class: 'diff', tabindex: 0, role: 'group', 'aria-label': t.config.diff })
    this.save = h('button', { class: 'main', disabled: true, onclick: () => this.store() }, t.config.save)
    this.undo = h('button', { disabled: true, onclick: () => this.put(this.file.text) }, t.config.undo)
    this.waiting = h('div', { class: 'waiting' })
    this.await(pending)
    this.element = h('div', { class: 'editor' },
      h('section', { class: 'card' },
        h('p', { class: 'head' }, h('label', { htmlFor: 'config-text' }, t.config.editor), h('code', null, path)),
        !writable && h('p', { class: 'trouble' }, why),
        this.waiting, this.done, h('div', { class: 'text' }, this.numbers, this.area), this.state, this.mistakes,
        h('p', { class: 'toolbar' }, this.save, this.undo), this.earlier()),
      h('section', { class: 'card' }, h('h2', null, t.config.diff), this.effect, this.diff))
  }

  // earlier offers the versions that were there before.
  earlier() {
    const { backups } = this.file
    if (!backups?.length) return null
    const choice = h('select', { id: 'config-earlier' }, backups.map((b) => h('option', { value: b.name }, `${day(b.time)}, ${clock(b.time)}`)))
    const take = async () => {
      try {
        const { name, text } = await get('config/backups/' + encodeURIComponent(choice.value), this.signal)
        this.put(text)
        write(this.done, t.config.backDone(name))
      } catch (err) {
        write(this.state, err.message)
      }
    }
    return h('p', { class: 'toolbar' }, h('label', { htmlFor: 'config-earlier' }, t.config.earlier), choice, h('button', { onclick: take }, t.config.back))
  }

  // await tells what was saved but does not work before a restart.
  await(pending) {
    if (!pending?.length) {
      replace(this.waiting)
      return
    }
    const again = h('button', {
      async onclick() {
        if (!confirm(t.config.restartSure)) return
        try {
          await call('POST', 'commands/restart', {})
          write(again.previousSibling, t.config.restarting)
        } catch (err) {
          write(again.previousSibling, err.message)
        }
      },
    }, t.config.restartNow)
    replace(this.waiting, h('span', null, t.config.pending(pending.join(', '))), again)
  }

  changed() {
    return this.area.value !== this.file.text
  }

  put(text) {
    this.area.value = text
    this.type()
  }

  type() {
    this.count()
    this.save.disabled = true
    clearTimeout(this.typing)
    this.typing = setTimeout(() => this.check(), pause)
  }

  // count numbers the lines.
  count(wrong = new Set()) {
    const n = this.area.value.split('\n').length
    replace(this.numbers, Array.from({ length: n }, (_, i) => [wrong.has(i + 1) ? h('mark', null, String(i + 1)) : String(i + 1), '\n']).flat())
    this.numbers.scrollTop = this.area.scrollTop
  }

  async check() {
    this.checking?.abort()
    this.checking = new AbortController()
    write(this.state, t.config.checking)
    try {
      const found = await call('POST', 'config/check', { text: this.area.value }, AbortSignal.any([this.checking.signal, this.signal]))
      this.show(found)
    } catch (err) {
      if (err.name !== 'AbortError') write(this.state, err.message)
    }
  }

  show({ problems, applied, restart, diff }) {
    problems ??= []
    this.point(problems)
    const differs = (diff ?? []).some((l) => l.op === '+' || l.op === '-')
    this.save.disabled = !this.file.writable || problems.length > 0 || !differs
    this.undo.disabled = !this.changed()
    replace(this.effect, applied?.length ? h('p', null, t.config.applied(applied.join(', '))) : null, restart?.length ? h('p', null, t.config.restart(restart.join(', '))) : null)
    replace(this.diff, differs ? diff.map(row) : h('p', { class: 'about' }, t.config.same))
  }

  // point lists the mistakes; each leads to its place.
  point(problems) {
    this.count(new Set(problems.map((p) => p.line)))
    write(this.state, problems.length ? t.config.mistakes(problems.length) : t.config.good)
    this.state.classList.toggle('trouble', problems.length > 0)
    replace(this.mistakes, problems.map((p) => h('li', null,
      h('button', { class: 'quiet', onclick: () => this.jump(p) }, p.line ? t.config.at(p.line, p.column) : t.config.whole), ' ',
      p.field && h('code', null, p.field), ' ', p.what, p.hint && h('em', null, ' ' + p.hint))))
  }

  jump({ line, column }) {
    const lines = this.area.value.split('\n')
    const at = lines.slice(0, Math.max(0, line - 1)).reduce((n, l) => n + l.length + 1, 0)
    const start = at + Math.max(0, column - 1)
    this.area.focus()
    this.area.setSelectionRange(start, at + (lines[line - 1] ?? '').length)
    const height = this.area.scrollHeight / lines.length
    this.area.scrollTop = Math.max(0, (line - 4) * height)
  }

  async store() {
    this.save.disabled = true
    try {
      const done = await call('PUT', 'config', { text: this.area.value, revision: this.file.revision })
      draft = null
      this.file.text = this.area.value
      const { applied, restart } = done
      this.again([t.config.saved, applied?.length && t.config.applied(applied.join(', ')), restart?.length && t.config.restart(restart.join(', '))].filter(Boolean).join(' ')) // anew, with this version among the earlier ones
    } catch (err) {
      this.save.disabled = false
      if (err.body?.problems?.length) this.point(err.body.problems)
      write(this.state, err.status === 409 ? t.config.conflict : err.message)
      this.state.classList.add('trouble')
      if (err.status === 409) this.state.append(' ', h('button', { onclick: () => this.takeTheirs() }, t.config.reload))
    }
  }

  takeTheirs() {
    draft = null
    this.file.text = this.area.value // nothing to keep
    this.again()
  }
}

const signs = { '+': t.config.added, '-': t.config.removed }

function row({ op, old, new: now, text }) {
  if (op === '@') return h('hr')
  const mark = { '+': 'added', '-': 'removed' }[op] ?? 'same'
  return h('p', { class: mark }, h('span', { class: 'numbers', 'aria-hidden': 'true' }, op === '+' ? `${now}` : `${old}`),
    h('span', { class: 'sign', ...(signs[op] && { role: 'img', 'aria-label': signs[op] }) }, op), h('code', null, text))
}
