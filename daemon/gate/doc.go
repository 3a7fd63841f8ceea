// Package gate decides what is worth the model's time: motion in pictures,
// speech in sound, and how often. It holds pure values with explicit time: no
// goroutines, no input or output, no clock.
package gate
