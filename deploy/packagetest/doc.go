// Package packagetest checks the Debian packages that deploy/package.sh builds:
// in the guest of deploy/vm with devices and systemd, and what else wraps the
// same program.
package packagetest
