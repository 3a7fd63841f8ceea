//go:build race

package main

// raceFlags build the program as these tests were built.
var raceFlags = []string{"-race"}
