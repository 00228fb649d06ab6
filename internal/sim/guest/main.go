package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"weir/internal/sim"
)

func main() {
	o := sim.Options{Out: os.Stdout}
	var err error
	if o.Seed, err = strconv.ParseUint(os.Args[1], 10, 64); err != nil {
		panic(err)
	}
	if o.Nodes, err = strconv.Atoi(os.Args[2]); err != nil {
		panic(err)
	}
	if o.Length, err = time.ParseDuration(os.Args[3]); err != nil {
		panic(err)
	}
	if len(os.Args) > 4 {
		o.Faults = strings.Split(os.Args[4], ",")
	}
	if err := sim.Run(o); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
