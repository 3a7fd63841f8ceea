// Package health watches the machine and tells how the daemon is doing: what
// the board says about heat, supply and memory, what is to be asked less while
// it is short of something, whether every worker still makes progress, and one
// snapshot of everything for people (sensed status), for Home Assistant (MQTT)
// and for Prometheus.
//
// It knows none of the daemon's parts: who wires them hands their numbers in as
// [Parts]. What the board says is read from a file system, so that tests can
// have another board.
package health
