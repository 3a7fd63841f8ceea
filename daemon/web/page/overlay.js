// Draws over a picture: boxes and points with their labels, hidden and masked
// places, where something moves. All places are 0..1 of the picture.

import { thing } from './format.js'

// Colours that can be told apart on any picture; a label keeps its own.
const colours = ['#3ddc97', '#ffb000', '#4cc9f0', '#ff6b6b', '#c77dff', '#f4f754', '#ff9ebb', '#7ae582']

// colour picks that of a label.
export function colour(label) {
  let hash = 0
  for (const c of label) hash = (hash * 31 + c.codePointAt(0)) >>> 0
  return colours[hash % colours.length]
}

// fit gives a canvas the pixels that its place on the screen has.
export function fit(canvas) {
  const ratio = devicePixelRatio || 1
  const width = Math.round(canvas.clientWidth * ratio)
  const height = Math.round(canvas.clientHeight * ratio)
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width
    canvas.height = height
  }
  return ratio
}

const roomy = 240 // px of width below which labels would hide the picture

// draw shows what is given of {objects, stale, masks, blackout, zones, heat, hottest}.
export function draw(canvas, what) {
  const ratio = fit(canvas)
  const g = canvas.getContext('2d')
  g.clearRect(0, 0, canvas.width, canvas.height)
  if (canvas.width === 0 || canvas.height === 0) return
  if (what.heat) heat(g, what.heat)
  for (const corners of what.masks ?? []) hatch(g, corners, ratio, 'rgb(128 128 128 / 0.45)')
  for (const corners of what.blackout ?? []) hatch(g, corners, ratio, 'rgb(96 96 96 / 0.75)')
  for (const corners of what.zones ?? []) outline(g, corners, ratio)
  for (const o of what.objects ?? []) box(g, o, ratio, what.stale)
  if (what.hottest) cross(g, what.hottest, ratio)
}

function path(g, corners) {
  g.beginPath()
  for (const [x, y] of corners) g.lineTo(x * g.canvas.width, y * g.canvas.height)
  g.closePath()
}

function hatch(g, corners, ratio, fill) {
  path(g, corners)
  g.fillStyle = fill
  g.fill()
  g.save()
  g.clip()
  g.strokeStyle = 'rgb(255 255 255 / 0.25)'
  g.lineWidth = ratio
  g.beginPath()
  for (let x = -g.canvas.height; x < g.canvas.width; x += 10 * ratio) {
    g.moveTo(x, g.canvas.height)
    g.lineTo(x + g.canvas.height, 0)
  }
  g.stroke()
  g.restore()
}

function outline(g, corners, ratio) {
  path(g, corners)
  g.setLineDash([4 * ratio, 4 * ratio])
  g.strokeStyle = 'rgb(255 255 255 / 0.7)'
  g.lineWidth = ratio
  g.stroke()
  g.setLineDash([])
}

function box(g, o, ratio, stale) {
  const [x, y, w, h] = o.box
  const left = x * g.canvas.width
  const top = y * g.canvas.height
  const c = colour(o.label)
  g.globalAlpha = stale ? 0.5 : 1
  g.setLineDash(stale ? [6 * ratio, 4 * ratio] : [])
  if (w === 0 && h === 0) {
    point(g, left, top, ratio, c)
  } else {
    g.lineWidth = 4 * ratio // a dark edge, so that a light box shows on snow
    g.strokeStyle = 'rgb(0 0 0 / 0.55)'
    g.strokeRect(left, top, w * g.canvas.width, h * g.canvas.height)
    g.lineWidth = 2 * ratio
    g.strokeStyle = c
    g.strokeRect(left, top, w * g.canvas.width, h * g.canvas.height)
  }
  g.setLineDash([])
  if (g.canvas.clientWidth >= roomy) caption(g, thing(o), left, top, ratio, c)
  g.globalAlpha = 1
}

function point(g, x, y, ratio, c) {
  g.beginPath()
  g.arc(x, y, 6 * ratio, 0, 2 * Math.PI)
  g.fillStyle = c
  g.fill()
  g.lineWidth = 2 * ratio
  g.strokeStyle = '#000'
  g.stroke()
}

// caption writes above the corner, or inside the picture where there is no room.
function caption(g, text, left, top, ratio, c) {
  const height = 18 * ratio
  g.font = `600 ${12 * ratio}px system-ui, sans-serif`
  const most = g.canvas.width * 0.8
  let shown = text
  while (g.measureText(shown).width > most && shown.length > 4) shown = shown.slice(0, -2).trimEnd() + '…'
  const width = g.measureText(shown).width + 10 * ratio
  const x = Math.max(0, Math.min(left - ratio, g.canvas.width - width))
  const y = top - height < 0 ? top + 2 * ratio : top - height
  g.fillStyle = c
  g.fillRect(x, y, width, height)
  g.fillStyle = '#000'
  g.textBaseline = 'middle'
  g.fillText(shown, x + 5 * ratio, y + height / 2 + ratio / 2)
}

function cross(g, [x, y], ratio) {
  const cx = x * g.canvas.width
  const cy = y * g.canvas.height
  const arm = 8 * ratio
  for (const [style, width] of [['#000', 4], ['#fff', 2]]) {
    g.strokeStyle = style
    g.lineWidth = width * ratio
    g.beginPath()
    g.moveTo(cx - arm, cy)
    g.lineTo(cx + arm, cy)
    g.moveTo(cx, cy - arm)
    g.lineTo(cx, cy + arm)
    g.stroke()
  }
}

let cells // a small canvas that is stretched; one is enough for all

function heat(g, { width, height, cells: coded }) {
  const values = Uint8Array.from(atob(coded), (c) => c.charCodeAt(0))
  if (values.length !== width * height || values.length === 0) return
  cells ??= document.createElement('canvas')
  cells.width = width
  cells.height = height
  const small = cells.getContext('2d')
  const image = small.createImageData(width, height)
  values.forEach((v, i) => image.data.set([255, 96, 32, v * 0.7], i * 4))
  small.putImageData(image, 0, 0)
  g.imageSmoothingEnabled = true
  g.drawImage(cells, 0, 0, g.canvas.width, g.canvas.height)
}
