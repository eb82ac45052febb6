// Package config reads purser.yaml and the environment; nothing else in the program does.
//
// settings.go declares every setting of the file once, for the decoder, the suggestions, the
// JSON Schema and the reference. environment.go declares every environment variable.
//
// An error names the file, line, column and key of every mistake, but never repeats the value:
// a token in the wrong place must not reach a log. The package opens no connection and does
// not check that files exist.
package config
