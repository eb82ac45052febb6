// Package soak runs purser for minutes as its users, its schedulers and its accidents do:
// random commands over many credentials of several accounts, killed, cut off and started
// at once, with consumers reading all the while. After each step it looks from outside,
// at the store and at the registry, whether the promises hold. make soak runs it longer;
// the seed that it prints runs the same again.
package soak
