// One camera: its picture with what was found in it, and the newest words.

import { address, query } from './api.js'
import { attribute, h, replace, write } from './dom.js'
import { age, clock, degrees, ms, percent, thing } from './format.js'
import { colour, draw } from './overlay.js'
import { recolour, scale } from './thermal.js'
import { t } from './texts.js'

const stale = 15_000 // ms after which boxes are drawn as older ones
const widths = [320, 640, 960, 1280] // of pictures; few, so that all pages share them

// Camera shows a source as store has it; layers says what is drawn over it.
export class Camera {
  constructor(source, store, layers) {
    this.source = source
    this.store = store
    this.layers = layers
    this.frame = null // that the picture shows
    this.next = null // that was announced since
    this.busy = false
    this.ended = new AbortController()
    this.build()
    this.update(source)
    this.sizes = new ResizeObserver(() => this.paint())
    this.sizes.observe(this.stage)
    store.on('source:' + source.name, (s) => this.update(s), this.ended.signal)
    store.on('frame', (f) => f.source === source.name && this.offer(f), this.ended.signal)
    store.on('text', (x) => x.source === source.name && this.grow(x), this.ended.signal)
  }

  build() {
    const { name } = this.source
    this.picture = h('canvas', { class: 'picture', role: 'img', 'aria-label': t.live.picture(name), width: 640, height: 480 })
    this.over = h('canvas', { class: 'over', 'aria-hidden': 'true' })
    this.veil = h('p', { class: 'veil' }, t.live.noPicture)
    this.stage = h('div', { class: 'stage' }, this.picture, this.over, this.veil)
    this.state = h('span', { class: 'state' })
    this.moving = h('span', { class: 'tag', hidden: true }, t.live.moving)
    this.words = h('p', { class: 'words' }, t.live.noneYet)
    this.about = h('p', { class: 'about' })
    this.things = h('ul', { class: 'things', 'aria-label': t.live.objects })
    this.answer = h('p', { class: 'answer', hidden: true })
    this.heat = this.source.thermal ? this.buildScale() : null
    this.element = h('article', { class: 'card camera', 'aria-label': name },
      h('header', null, h('h2', null, name), this.moving, this.state),
      this.stage, this.heat?.element,
      h('div', { class: 'body' }, this.words, this.about, this.things, this.answer))
  }

  buildScale() {
    const colours = h('canvas', { class: 'colours', 'aria-hidden': 'true' })
    scale(colours)
    const [min, max] = [h('span'), h('span')]
    return { min, max, element: h('div', { class: 'scale', role: 'img' }, min, colours, max) }
  }

  // update takes what the daemon says about the camera.
  update(source) {
    this.source = source
    write(this.state, t.states[source.state] ?? source.state)
    this.state.className = 'state ' + (source.state === 'ok' ? 'good' : ['absent', 'lost', 'failed'].includes(source.state) ? 'bad' : 'off')
    attribute(this.state, 'title', source.why || null)
    const { caption, objects, answer } = source
    if (caption && caption.status === 'done') this.say(caption)
    replace(this.things, (objects?.objects ?? []).map((o) => {
      const dot = h('i', { 'aria-hidden': 'true' })
      dot.style.backgroundColor = colour(o.label)
      return h('li', null, dot, thing(o))
    }))
    this.answer.hidden = !answer?.text
    if (answer?.text) write(this.answer, `${answer.task}: ${answer.text}`)
    if (source.state !== 'ok' && source.state !== 'starting' && source.state !== 'ended') {
      this.frame = this.next = null // what was seen before must not seem to be seen now
    }
    this.describe()
    this.tick()
    this.paint()
  }

  say(caption) {
    write(this.words, caption.text)
    this.words.classList.remove('growing')
  }

  // grow shows a caption while the model writes it.
  grow({ kind, text }) {
    if (kind !== 'caption') return
    write(this.words, text)
    this.words.classList.add('growing')
  }

  // describe tells those who cannot see the picture what is in it.
  describe() {
    const { name, caption, objects } = this.source
    const parts = [caption?.text, objects?.objects?.map(thing).join(', ')].filter(Boolean)
    attribute(this.picture, 'aria-label', parts.length ? t.live.pictureOf(name, parts.join(' ')) : t.live.picture(name))
  }

  // tick keeps the age current.
  tick() {
    const { caption } = this.source
    const parts = []
    if (caption) {
      parts.push(age(this.store.now() - Date.parse(caption.time)))
      if (caption.latency_ms) parts.push(ms(caption.latency_ms.total))
      if (caption.score !== undefined) parts.push(percent(caption.score))
    }
    write(this.about, parts.join(' · '))
    attribute(this.about, 'title', caption ? clock(caption.time) : null)
    if (this.staleness() !== this.drawnStale) this.paint()
  }

  // offer announces a picture. It is fetched when the last one is drawn; of several
  // meanwhile only the newest.
  async offer(frame) {
    this.next = frame
    this.moving.hidden = !frame.moving
    if (this.busy) return
    this.busy = true
    try {
      while (this.next && !this.ended.signal.aborted) {
        const f = this.next
        this.next = null
        await this.show(f)
      }
    } catch {
      // The next one may come; if the daemon is gone the page says so.
    } finally {
      this.busy = false
    }
  }

  async show(frame) {
    const wanted = this.stage.clientWidth * Math.min(2, devicePixelRatio || 1)
    const width = widths.find((w) => w >= wanted) ?? widths.at(-1)
    const answer = await fetch(address(`sources/${encodeURIComponent(frame.source)}/frame`) + query({ seq: frame.seq, width }), { signal: this.ended.signal })
    if (!answer.ok) return
    const image = await createImageBitmap(await answer.blob())
    if (this.ended.signal.aborted) return
    if (this.picture.width !== image.width || this.picture.height !== image.height) {
      this.picture.width = image.width
      this.picture.height = image.height
      this.stage.style.aspectRatio = `${image.width} / ${image.height}`
    }
    this.picture.getContext('2d', { willReadFrequently: this.source.thermal }).drawImage(image, 0, 0)
    image.close()
    if (this.source.thermal) recolour(this.picture)
    this.frame = frame
    this.paint()
  }

  // staleness says how the boxes are drawn: null is not at all.
  staleness() {
    const { objects } = this.source
    if (!objects?.objects || !this.frame) return null
    if ((objects.sample ?? '') !== (this.frame.sample ?? '')) return null // of another picture
    return this.store.now() - Date.parse(objects.time) > stale
  }

  paint() {
    const { source, frame } = this
    this.veil.hidden = Boolean(frame)
    if (!frame) write(this.veil, source.why || (source.state === 'ok' || source.state === 'starting' ? t.live.noPicture : t.states[source.state] ?? source.state))
    this.stage.classList.toggle('blind', !frame)
    this.drawnStale = this.staleness()
    const { boxes, heat, masks } = this.layers
    draw(this.over, {
      objects: boxes && this.drawnStale !== null ? source.objects.objects : [],
      stale: this.drawnStale,
      masks: masks && frame ? source.masks : [], blackout: masks && frame ? source.blackout : [], zones: masks && frame ? source.zones : [],
      heat: heat && frame?.moving ? frame.heat : null,
      hottest: boxes && source.thermal && frame ? source.temperature?.temperature.hottest : null,
    })
    if (this.heat && frame?.thermal) {
      const { min, max } = frame.thermal
      write(this.heat.min, degrees(min))
      write(this.heat.max, degrees(max))
      attribute(this.heat.element, 'aria-label', t.live.scale(degrees(min), degrees(max)))
    }
  }

  close() {
    this.ended.abort()
    this.sizes.disconnect()
  }
}
