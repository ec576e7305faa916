//go:build tools

// Package tools names the program that `make interop` builds, in the versions of go.sum.
package tools

import _ "github.com/peak/s5cmd/v2"
