//go:build linux && (amd64 || arm64)

package v4l2

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel opens device nodes. Tests put a driver of their own in its place.
type kernel interface {
	open(path string) (port, error)
}

// port is an open device node. Errors are unix.Errno, except those of ctx.
type port interface {
	// ioctl makes one request; arg points to what the request takes.
	ioctl(request uintptr, arg unsafe.Pointer) error
	// mmap maps a buffer of the driver; munmap takes it away.
	mmap(offset int64, length int) ([]byte, error)
	munmap(b []byte) error
	// wait waits until a buffer may be dequeued, or the device has an error to
	// tell. It returns errSilent after limit and ctx.Err() when ctx ends.
	wait(ctx context.Context, limit time.Duration) error
	close() error
}

var errSilent = errors.New("no picture came")

// linux is the real kernel.
type linux struct{}

func (linux) open(path string) (port, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &node{fd, wake}, nil
}

// node is a file descriptor, and another one that ends a wait for it.
type node struct{ fd, wake int }

func (n *node) ioctl(request uintptr, arg unsafe.Pointer) error {
	_, err := retry(func() (int, error) {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.fd), request, uintptr(arg))
		if errno != 0 {
			return 0, errno
		}
		return 0, nil
	})
	return err
}

func (n *node) mmap(offset int64, length int) ([]byte, error) {
	return unix.Mmap(n.fd, offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func (n *node) munmap(b []byte) error { return unix.Munmap(b) }

func (n *node) wait(ctx context.Context, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_, _ = unix.Write(n.wake, binary.NativeEndian.AppendUint64(nil, 1)) // fails only when it is set already
	})
	defer func() {
		if !stop() {
			<-woken // it writes to n.wake: not after this call
		}
		var b [8]byte
		_, _ = unix.Read(n.wake, b[:]) // fails when nobody wrote
	}()
	deadline := time.Now().Add(limit)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return errSilent
		}
		fds := []unix.PollFd{{Fd: int32(n.fd), Events: unix.POLLIN}, {Fd: int32(n.wake), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, int(min(left.Milliseconds()+1, 1<<30)))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case fds[0].Revents != 0:
			return nil
		}
	}
}

func (n *node) close() error { return errors.Join(unix.Close(n.fd), unix.Close(n.wake)) }

// retry repeats a system call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		v, err := call()
		if !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}

// now reads both clocks: that of the wall and that of the timestamps of buffers.
func now() (wall time.Time, mono time.Duration) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Now(), 0
	}
	return time.Now(), time.Duration(ts.Nano())
}
