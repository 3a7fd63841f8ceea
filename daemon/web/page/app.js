// Starts the page: who we are, which view, and whether the daemon is there.

import { logout, Problem, session, whenLocked } from './api.js'
import { attribute, h, icon, replace, write } from './dom.js'
import { login } from './login.js'
import { Store } from './store.js'
import { Stream } from './stream.js'
import { t } from './texts.js'

document.documentElement.dataset.running = '' // see start.js

// Each view comes when it is wanted.
const views = {
  live: () => import('./live.js'), timeline: () => import('./timeline.js'), ask: () => import('./ask.js'),
  health: () => import('./health.js'), switches: () => import('./switches.js'), config: () => import('./config.js'),
}

const store = new Store()
const stream = new Stream(heard, (there) => say(there ? '' : t.gone))

const banner = h('p', { class: 'banner', role: 'status', hidden: true })
const main = h('main', { id: 'main', tabindex: -1 })
const title = h('h1', { class: 'title' })
const name = h('strong', { class: 'node' })
const version = h('span', { class: 'version' })
const leave = h('button', { class: 'quiet', hidden: true, onclick: () => logout().catch(() => {}).then(lock) }, t.logout)
const links = Object.fromEntries(Object.keys(views).map((v) => [v, h('a', { href: '#/' + v }, icon(v), h('span', null, t.views[v]))]))
const rail = h('nav', { class: 'rail', 'aria-label': t.navigation },
  h('div', { class: 'brand' }, name, version), h('ul', null, Object.values(links).map((a) => h('li', null, a))), leave)

links.config.parentElement.hidden = true // until the daemon says that it has a file

let program = '' // that the page came from
let open = null // the present view: {ended, update}
let authenticated = false

function heard(kind, data) {
  store.heard(kind, data)
  if (kind === 'bye') say(t.stopping(data.why))
  if (kind === 'hello') greet(data)
}

// greet takes up the work again when the stream begins.
function greet(node) {
  if (program && program !== node.program) {
    location.reload() // another daemon has another page
    return
  }
  program = node.program
  write(name, node.node)
  write(version, node.program)
  links.config.parentElement.hidden = !node.config
  say(node.loading ? t.loadingModel : '', false)
  retitle()
  store.load().catch((err) => err instanceof Problem && err.status !== 401 && say(err.message))
}

// say shows a sentence above everything; none: all is well. gone: what is below is
// old.
function say(text, gone = true) {
  write(banner, text)
  banner.hidden = text === ''
  document.body.classList.toggle('gone', gone && text !== '')
}

// route reads the address: #/timeline/ID?source=door.
function route() {
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?')
  const [view, ...rest] = path.split('/').map(decode)
  return { view: view || 'live', rest, search: new URLSearchParams(search) }
}

function decode(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

// maker returns what makes a view.
async function maker(view) {
  if (!Object.hasOwn(views, view)) return () => h('p', { class: 'empty' }, t.notFound)
  try {
    return (await views[view]())[view]
  } catch {
    return () => h('div', { class: 'empty' }, h('p', null, t.nobodyAnswers), h('button', { onclick: () => location.reload() }, t.retry))
  }
}

// show opens the view of the address. A view that is open already may take a new
// address itself.
async function show() {
  if (!authenticated) return
  const r = route()
  if (open?.view === r.view && open.update?.(r)) return
  open?.ended.abort()
  const ended = new AbortController()
  open = { view: r.view, ended, update: null }
  const make = await maker(r.view)
  if (ended.signal.aborted) return // another one is wanted by now
  let wishes = [] // what the view wants of the stream, as Stream.want has it
  const want = (...w) => {
    if (element) stream.want(...w)
    wishes = w
  }
  let element = null
  element = make({ store, want, signal: ended.signal, route: r, follow: (f) => (open.update = f) })
  stream.want(...wishes)
  for (const [v, a] of Object.entries(links)) attribute(a, 'aria-current', v === r.view ? 'page' : null)
  retitle()
  replace(main, title, element)
  performance.mark('view')
  main.className = r.view
}

function retitle() {
  const view = t.views[open?.view] ?? t.product
  write(title, view)
  document.title = t.title(view, store.node?.node)
}

// lock shows the login and nothing else.
function lock() {
  authenticated = false
  open?.ended.abort()
  open = null
  stream.close()
  say('')
  session().then(enter, (err) => say(err.message))
}

async function enter(who) {
  leave.hidden = !who.required
  if (!who.authenticated) {
    document.title = t.title(t.login.title)
    replace(document.body, banner, login(who, enter))
    return
  }
  authenticated = true
  replace(document.body, h('a', { class: 'skip', href: '#main', onclick: (e) => (e.preventDefault(), main.focus()) }, t.skip), rail, h('div', { class: 'page' }, banner, main))
  replace(main, h('p', { class: 'empty' }, t.loading))
  await store.load().catch(() => {}) // the stream says it if nobody is there
  show()
}

// start tries until somebody answers.
async function start() {
  for (;;) {
    try {
      await enter(await session())
      return
    } catch (err) {
      replace(document.body, banner)
      say(err.message)
      await new Promise((done) => setTimeout(done, 2000))
    }
  }
}

whenLocked(() => authenticated && lock())
addEventListener('hashchange', show)
start()
