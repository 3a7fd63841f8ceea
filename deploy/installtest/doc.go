// Package installtest checks what deploy/install.sh puts on a machine.
package installtest
