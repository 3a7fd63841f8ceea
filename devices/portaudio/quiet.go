//go:build cgo

package portaudio

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>

// ALSA hands its messages to this (snd_lib_error_handler_t), JACK to the other.
static void sensed_drop_alsa(const char *file, int line, const char *function, int err, const char *fmt, ...) {
	(void)file; (void)line; (void)function; (void)err; (void)fmt;
}
static void sensed_drop_jack(const char *msg) { (void)msg; }

// The libraries came into the process with PortAudio, if it was built with
// them; looking them up needs neither their headers nor their presence.
static void sensed_quieten(void) {
	typedef void (*alsa_handler)(const char *, int, const char *, int, const char *, ...);
	typedef void (*jack_handler)(const char *);
	int (*alsa)(alsa_handler) = (int (*)(alsa_handler))dlsym(RTLD_DEFAULT, "snd_lib_error_set_handler");
	void (*error)(jack_handler) = (void (*)(jack_handler))dlsym(RTLD_DEFAULT, "jack_set_error_function");
	void (*info)(jack_handler) = (void (*)(jack_handler))dlsym(RTLD_DEFAULT, "jack_set_info_function");
	if (alsa)
		alsa(sensed_drop_alsa);
	if (error)
		error(sensed_drop_jack);
	if (info)
		info(sensed_drop_jack);
}
*/
import "C"

// quieten takes the chatter of ALSA and JACK off standard error. What went
// wrong still reaches the caller as an error of PortAudio.
func quieten() { C.sensed_quieten() }
