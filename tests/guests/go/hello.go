// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Says what it was given, and works a little: goroutines, the collector, a file.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

func main() {
	fmt.Printf("hello from Go, %d arguments, GREETING=%s\n", len(os.Args)-1, os.Getenv("GREETING"))
	var wait sync.WaitGroup
	squares := make([]int, 100)
	for i := range squares {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			time.Sleep(time.Millisecond)
			squares[i] = i * i
		}(i)
	}
	wait.Wait()
	sum := 0
	for _, square := range squares {
		sum += square
	}
	fmt.Println("sum of squares:", sum)
	words := strings.Fields("the quick brown fox jumps over the lazy dog")
	sort.Strings(words)
	fmt.Println(strings.Join(words, " "))
	if len(os.Args) > 1 {
		text, err := os.ReadFile(os.Args[1])
		fmt.Printf("%q %v\n", text, err)
		_, err = os.Stat("/not/granted")
		fmt.Println("not granted:", err != nil)
	}
}
