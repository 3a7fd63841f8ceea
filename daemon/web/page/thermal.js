// False colours for the grey pictures of thermal cameras, and their scale.

// Stops of the colours, cold to hot, as [where, red, green, blue].
const stops = [
  [0, 0, 0, 20],
  [0.2, 60, 10, 120],
  [0.4, 160, 30, 140],
  [0.6, 230, 90, 60],
  [0.8, 250, 180, 30],
  [1, 255, 255, 230],
]

// table has red, green and blue for each of 256 greys.
const table = Array.from({ length: 256 }, (_, grey) => {
  const at = grey / 255
  const i = Math.max(1, stops.findIndex((s) => s[0] >= at))
  const [a, b] = [stops[i - 1], stops[i]]
  const part = (at - a[0]) / (b[0] - a[0])
  return [1, 2, 3].map((c) => Math.round(a[c] + (b[c] - a[c]) * part))
})

// recolour changes a grey picture on a canvas into false colours.
export function recolour(canvas) {
  const g = canvas.getContext('2d', { willReadFrequently: true })
  const image = g.getImageData(0, 0, canvas.width, canvas.height)
  const d = image.data
  for (let i = 0; i < d.length; i += 4) {
    const [r, green, b] = table[d[i]]
    d[i] = r
    d[i + 1] = green
    d[i + 2] = b
  }
  g.putImageData(image, 0, 0)
}

// scale paints all colours from left (cold) to right.
export function scale(canvas) {
  canvas.width = table.length
  canvas.height = 1
  const g = canvas.getContext('2d')
  table.forEach(([r, green, b], x) => {
    g.fillStyle = `rgb(${r} ${green} ${b})`
    g.fillRect(x, 0, 1, 1)
  })
}
