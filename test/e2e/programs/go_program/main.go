// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func main() {
	runtime.GOMAXPROCS(4)
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for i := 0; i < 1000; i++ {
		wg.Add(1)
		go func(n int) {
			defer wg.Done()
			mu.Lock()
			total += n
			mu.Unlock()
		}(i)
	}
	wg.Wait()
	fmt.Println(total)

	// Preempted by signals: these never call the runtime.
	done := make(chan int)
	for i := 0; i < 4; i++ {
		go func() {
			x := 0
			for k := 0; k < 50000000; k++ {
				x ^= k
			}
			done <- x
		}()
	}
	for i := 0; i < 4; i++ {
		fmt.Print(<-done, " ")
	}
	fmt.Println()
	for i := 0; i < 20; i++ {
		_ = make([]byte, 10<<20)
	}
	runtime.GC()

	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-ch)

	cmd := exec.Command("tr", "a-z", "A-Z")
	cmd.Stdin = bytes.NewBufferString("from go")
	out, err := cmd.Output()
	fmt.Println(string(out), err)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	fmt.Println(exec.CommandContext(ctx, "sleep", "10").Run())

	l, err := net.Listen("unix", "go.sock")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { fmt.Fprint(c, "served"); c.Close() }()
		}
	}()
	for i := 0; i < 50; i++ {
		c, err := net.Dial("unix", "go.sock")
		if err != nil {
			fmt.Println(err)
			break
		}
		b := make([]byte, 10)
		n, _ := c.Read(b)
		if string(b[:n]) != "served" {
			fmt.Println("bad", string(b[:n]))
		}
		c.Close()
	}
	l.Close()

	os.WriteFile("go.txt", []byte("written by go\n"), 0640)
	start := time.Now()
	<-time.After(50 * time.Millisecond)
	fmt.Println(time.Since(start) < time.Second)
	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		var p *int
		fmt.Println(*p)
	}()
	os.Exit(4)
}
