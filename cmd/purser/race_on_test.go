//go:build race

package main

// raceDetector makes the tests' processes some ten times slower.
const raceDetector = true
