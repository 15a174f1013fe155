// A program whose memory is C's, through the calls that cgo makes.
package main

// #include <stdlib.h>
import "C"

var keep []*C.char

//go:noinline
func rememberName(size int) {
	keep = append(keep, C.CString(string(make([]byte, size))))
}

func main() {
	for i := 0; i < 1000; i++ {
		rememberName(10000)
	}
	C.exit(0)
}
