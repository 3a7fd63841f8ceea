// The door: a password, or what to do where there is none yet.

import { login as enter } from './api.js'
import { h, write } from './dom.js'
import { t } from './texts.js'

export function login(who, entered) {
  if (who.setup) {
    return h('main', { class: 'login' }, h('h1', null, t.login.setup), h('p', null, who.setup))
  }
  const field = h('input', { id: 'password', type: 'password', autocomplete: 'current-password', required: true, autofocus: true })
  const button = h('button', { class: 'main' }, t.login.submit)
  const trouble = h('p', { class: 'trouble', role: 'alert' })

  async function submit(e) {
    e.preventDefault()
    button.disabled = true
    write(trouble, '')
    try {
      const now = await enter(field.value)
      entered(now)
      return
    } catch (err) {
      write(trouble, err.after ? t.login.wait(err.after) : err.message)
      field.select()
    }
    button.disabled = false
  }
  return h('main', { class: 'login' },
    h('h1', null, t.login.title),
    h('form', { onsubmit: submit }, h('label', { htmlFor: 'password' }, t.login.password), field, button, trouble))
}
