// What the page knows of the daemon. Views read it and listen for its changes:
// hello (everything is new), sources, source:NAME, switches, card, text, frame,
// level, health, log.

import { get } from './api.js'

export class Store extends EventTarget {
  node = null
  sources = []
  switches = []
  thrown = 0 // switches that were heard of
  skew = 0 // ms by which the daemon's clock is ahead of ours

  now() {
    return Date.now() + this.skew
  }

  // on listens until the signal ends.
  on(name, f, signal) {
    this.addEventListener(name, (e) => f(e.detail), { signal })
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }))
  }

  source(name) {
    return this.sources.find((s) => s.name === name)
  }

  cameras() {
    return this.sources.filter((s) => s.sense === 'camera')
  }

  // load fetches what the stream only changes.
  async load() {
    const thrown = this.thrown
    let [sources, switches] = await Promise.all([get('sources'), get('switches')])
    if (thrown !== this.thrown) switches = await get('switches') // one was set meanwhile
    this.sources = sources.sources
    this.switches = switches.switches
    this.emit('sources')
    this.emit('switches')
  }

  // heard takes a message of the stream.
  heard(name, data) {
    if (name === 'hello') {
      this.node = data
      this.skew = Date.parse(data.now) - Date.now()
    } else if (name === 'source') {
      this.put(data)
      return
    } else if (name === 'switch') {
      this.thrown++
      const i = this.switches.findIndex((s) => s.name === data.name && s.source === data.source)
      if (i >= 0) this.switches[i] = data
      this.emit('switches', data)
      return
    }
    this.emit(name === 'event' ? 'card' : name, data)
  }

  put(source) {
    const i = this.sources.findIndex((s) => s.name === source.name)
    if (i < 0) {
      this.sources.push(source)
      this.emit('sources')
      return
    }
    this.sources[i] = source
    this.emit('source:' + source.name, source)
  }
}
