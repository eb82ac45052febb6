// Package config reads what a person has decided beforehand: purser.yaml, and
// the environment. It is the only place in the program that does either.
//
// Every setting of the file is declared once, in settings.go, with its name, its
// meaning and its form; the decoder, the suggestions for mistyped keys, the JSON
// Schema and the reference are made from that. Every environment variable is
// declared once in environment.go.
//
// A problem in the file is reported with its file, line, column and key, all of
// them together, and never with the text that was found: a token that was pasted
// into the wrong place must not reach a log. The package opens no connection,
// and it does not check that the files it names exist.
package config
