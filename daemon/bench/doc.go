// Package bench measures a model on the machine at hand: how long it takes to
// load, read, write, look and listen, and how much memory that needs. It also
// writes models of the real shapes with random weights, so that a board can be
// tried before gigabytes are downloaded.
//
// A figure is the median of several runs with the least and the greatest
// beside it. Random weights never end an answer, so the lengths of answers are
// fixed.
package bench
