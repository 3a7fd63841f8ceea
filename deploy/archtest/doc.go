// Package archtest holds the rules about who may import whom; its test checks
// every package of the module against them.
//
// The rooms are devices (the senses), kernels (the mathematics) and daemon (the
// judgement). Devices and kernels know nothing of the daemon and nothing of
// each other, so each can be tested, replaced and understood alone.
package archtest
