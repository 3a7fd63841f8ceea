// The one way to the daemon: /api/v1 below wherever the page was loaded from.

import { t } from './texts.js'

const base = 'api/v1/'

// Problem is an answer that is none. Its message is a sentence for people; status
// is 0 when nobody answered; body is the JSON that came with it.
export class Problem extends Error {
  constructor(status, message, body = {}, after = 0) {
    super(message)
    this.status = status
    this.body = body
    this.after = after // seconds until another try makes sense
  }
}

let csrf = ''
let locked = () => {}

// whenLocked names what happens when the daemon wants a password.
export function whenLocked(f) {
  locked = f
}

// session asks who we are, login and logout change it.
export const session = async () => remember(await get('session'))
export const login = async (password) => remember(await call('POST', 'session', { password }))
export const logout = () => call('DELETE', 'session')

function remember(s) {
  csrf = s.csrf
  return s
}

// call returns what the daemon answers, or throws a Problem.
export async function call(method, path, body, signal) {
  const answer = await request(method, path, body, { signal })
  if (answer.status === 204) return null
  return answer.json()
}

const enough = 20_000 // ms for an answer that nobody has to work for

export const get = (path, signal) => {
  const late = AbortSignal.timeout(enough)
  return call('GET', path, undefined, signal ? AbortSignal.any([signal, late]) : late)
}

// request returns the answer with its body unread.
export async function request(method, path, body, { signal, accept } = {}) {
  const headers = {}
  if (accept) headers.Accept = accept
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'GET' && csrf) headers['Sensed-CSRF'] = csrf
  let answer
  try {
    answer = await fetch(base + path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) })
  } catch (err) {
    if (err.name === 'AbortError') throw err
    throw new Problem(0, t.nobodyAnswers)
  }
  if (!answer.ok) throw await problem(answer, method, path)
  return answer
}

async function problem(answer, method, path) {
  let body = {}
  try {
    body = await answer.json()
  } catch {
    // A proxy in between may say it in HTML.
  }
  if (answer.status === 401 && !(method === 'POST' && path === 'session')) locked()
  return new Problem(answer.status, body.error || t.badAnswer(answer.status), body, Number(answer.headers.get('Retry-After')) || 0)
}

// address is that of a picture, for <img>.
export const address = (path) => base + path

// query writes the parameters that are set; lists are repeated.
export function query(parameters) {
  const q = new URLSearchParams()
  for (const [key, value] of Object.entries(parameters)) {
    for (const v of Array.isArray(value) ? value : [value]) {
      if (v !== undefined && v !== null && v !== '') q.append(key, v)
    }
  }
  const text = q.toString()
  return text ? '?' + text : ''
}

// messages reads server-sent events from the body of an answer. alive is called
// for everything that arrives, comments too, which EventSource would hide.
export async function* messages(body, alive = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  let name = ''
  let data = []
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    alive()
    const lines = (rest + value).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { name, data: JSON.parse(data.join('\n')) }
        name = ''
        data = []
      } else if (line.startsWith('event:')) {
        name = line.slice(6).trim()
      } else if (line.startsWith('data:')) {
        data.push(line.slice(5))
      }
    }
  }
}
