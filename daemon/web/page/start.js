// Loads the page anew when a part of it does not come, as over a bad Wi-Fi or from
// a board with too much to do: without one of its modules nothing of it would run.

(() => {
  const key = 'sensed.tries'
  const read = () => {
    try {
      return Number(sessionStorage.getItem(key)) || 0
    } catch {
      return 0 // the browser keeps nothing
    }
  }
  const keep = (tries) => {
    try {
      sessionStorage.setItem(key, tries)
    } catch {
      // Then it waits as long as the first time.
    }
  }
  // whole tells whether the page runs, which app.js says, and has its styles.
  const whole = () => 'running' in document.documentElement.dataset &&
    [...document.querySelectorAll('link[rel=stylesheet]')].every((l) => l.sheet)
  const look = () => {
    if (whole()) {
      keep(0)
      return
    }
    keep(Math.min(6, read() + 1))
    location.reload()
  }
  const wait = (seconds) => Math.min(60, seconds * 2 ** read()) * 1000
  addEventListener('load', () => setTimeout(look, wait(0.5))) // all that was asked for is there, or was refused
  setTimeout(look, wait(30)) // something never comes
})()
