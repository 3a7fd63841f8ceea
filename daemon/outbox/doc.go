// Package outbox keeps messages until somebody else has them: on disk, in
// order, within bounds. It knows nothing of what is in them or where they go.
//
// The promise. When [Outbox.Append] has returned, the message survives the
// death of the process, kill -9 included: it was given to the kernel. It
// survives a power cut from the next fsync on, which comes within
// [Options.SyncEvery] (one second) if the message still waits by then. A
// message leaves by [Outbox.Ack], by [Outbox.Quarantine], or because the bounds
// leave no room for it, which is counted. What was acknowledged less than about
// a second before a crash may be there again after it: delivery is at least
// once, and whoever receives tells duplicates by an id inside the message.
//
// The disk. Messages and acknowledgements are appended to one file, the newest
// segment. One fsync for all that came within SyncEvery, none when everything
// is acknowledged by then, nothing at all while nothing happens: a board with a
// reachable broker hardly wears its SD card.
//
// The trouble. [Open] never fails because of the disk. A torn end is cut, a
// damaged record goes to the folder bad, and while the folder cannot be used
// (full, read-only, forbidden, another process has it) messages wait in memory,
// [Outbox.State] says so, and the folder is tried again and again.
//
// deploy/docs/outbox.md describes the files and the decisions.
package outbox
