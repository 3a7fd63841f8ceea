// Package web is the page that shows what a node sees, hears and thinks, and the
// API under /api/v1 that the page uses: JSON and server-sent events, described
// in openapi.json.
//
// It is given everything: what happens by whoever calls the methods of a [Hub],
// the rest by the functions and small interfaces of [Options]. While nobody looks
// at the page it only keeps the timeline.
package web
