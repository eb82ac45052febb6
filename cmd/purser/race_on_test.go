//go:build race

package main

// raceDetector makes every process of the tests some ten times slower.
const raceDetector = true
