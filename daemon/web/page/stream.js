// The stream of what happens. It is held while the page is looked at, and taken
// up again by itself: after a loss, after the daemon was away, when a tab comes
// back to the front.

import { messages, query, request } from './api.js'

const patience = 25_000 // ms without a word (the daemon says something each 10 s)
const firstWait = 500 // ms until the next try
const lastWait = 5_000

// Stream calls heard(name, data) for each message, and state(there) when the daemon comes and goes.
export class Stream {
  constructor(heard, state) {
    this.heard = heard
    this.state = state
    this.wishes = {}
    this.held = null
    document.addEventListener('visibilitychange', () => this.follow())
    addEventListener('online', () => this.follow())
    addEventListener('pagehide', () => this.close())
    addEventListener('pageshow', (e) => e.persisted && this.follow())
  }

  // want asks for more than the plain events: levels, health, log, and the pictures
  // of cameras to look at. The same wishes again change nothing.
  want(more = [], look = []) {
    const wishes = { want: more.join(','), look: look.join(',') }
    if (this.held && wishes.want === this.wishes.want && wishes.look === this.wishes.look) return
    this.wishes = wishes
    this.follow()
  }

  // follow starts anew, or stops where nobody looks.
  follow() {
    this.close()
    if (document.hidden) return
    this.held = new AbortController()
    this.hold(this.held.signal)
  }

  close() {
    this.held?.abort()
    this.held = null
  }

  async hold(signal) {
    let wait = firstWait
    while (!signal.aborted) {
      const attempt = new AbortController()
      const end = () => attempt.abort()
      signal.addEventListener('abort', end)
      let timer = setTimeout(end, patience)
      const alive = () => {
        clearTimeout(timer)
        timer = setTimeout(end, patience)
      }
      try {
        const answer = await request('GET', 'stream' + query(this.wishes), undefined, { signal: attempt.signal, accept: 'text/event-stream' })
        for await (const m of messages(answer.body, alive)) {
          if (signal.aborted) return
          if (m.name === 'hello') {
            wait = firstWait
            this.state(true)
          }
          this.heard(m.name, m.data)
        }
      } catch (err) {
        if (err.status === 401) return // the login takes over
      } finally {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        attempt.abort()
      }
      if (signal.aborted) return
      this.state(false)
      await new Promise((done) => {
        const t = setTimeout(done, wait)
        signal.addEventListener('abort', () => (clearTimeout(t), done()), { once: true })
      })
      wait = Math.min(wait * 2, lastWait)
    }
  }
}
