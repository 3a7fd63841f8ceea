// Numbers and times as people read them, in the reader's own time zone.

import { t } from './texts.js'

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const shortFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' })

export const clock = (time) => clockFormat.format(new Date(time))
export const shortClock = (time) => shortFormat.format(new Date(time))
export const day = (time) => dayFormat.format(new Date(time))

// age says how long ago something was, from milliseconds.
export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 3) return t.justNow
  if (s < 90) return t.ago(`${s} s`)
  if (s < 90 * 60) return t.ago(`${Math.round(s / 60)} min`)
  return s < 36 * 3600 ? t.ago(`${Math.round(s / 3600)} h`) : t.ago(t.days(Math.round(s / 86400)))
}

// span says how long something lasts, from seconds.
export function span(s) {
  if (s < 90) return `${Math.round(s)} s`
  if (s < 90 * 60) return `${Math.round(s / 60)} min`
  return s < 36 * 3600 ? `${Math.round(s / 3600)} h` : t.days(Math.round(s / 86400))
}

export function bytes(n) {
  if (n < 1e3) return `${n} B`
  for (const unit of ['kB', 'MB', 'GB']) {
    n /= 1e3
    if (n < 999.5 || unit === 'GB') return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${unit}`
  }
}

export const percent = (x) => `${Math.round(x * 100)} %`

// amount rounds to what one wants to know: 0.123, 1.23, 12.3, 123.
export function amount(x) {
  if (x === 0) return '0'
  const digits = Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(Math.abs(x)))))
  return String(Number(x.toFixed(digits)))
}

export const ms = (x) => (x < 10_000 ? `${amount(x)} ms` : `${amount(x / 1000)} s`)
export const degrees = (x) => `${x.toFixed(1)} °C`
export const loudness = (x) => `${Math.round(x)} dB`

// thing writes an object: "dog 91 % #7".
export const thing = (o) => `${o.label} ${percent(o.score)}${o.track ? ` #${o.track}` : ''}`
