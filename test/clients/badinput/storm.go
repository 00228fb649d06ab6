package main

import (
	"errors"
	"fmt"
)

// getStorm asks for messages as fast as it can while somebody else deletes the
// queue: every answer is a message, an empty queue, or a 404 that ends the channel.
func getStorm() error {
	const (
		queue  = "bad.storm"
		rounds = 20
		gets   = 200
	)
	get := method(1, 60, 70, uint16(0), queue, uint8(1))
	for range rounds {
		err := tries(func(deleter *raw) error {
			return tries(func(r *raw) error {
				if err := r.send(declareQueue(queue, durable, table()), publishing("", queue, 0)); err != nil {
					return err
				}
				if err := r.until(50, 11); err != nil {
					return err
				}
				ended := make(chan error, 1)
				go func() { ended <- answers(r, gets) }()
				for i := range gets {
					if i == gets/2 {
						if err := deleter.send(deleteQueue(queue)); err != nil {
							return err
						}
					}
					if err := r.send(get); err != nil {
						return err
					}
				}
				if err := <-ended; err != nil {
					return err
				}
				return deleter.until(50, 41)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// answers reads what count gets are answered with, up to a 404.
func answers(r *raw, count int) error {
	for count > 0 {
		err := r.untilOneOf([2]uint16{60, 71}, [2]uint16{60, 72})
		var c *closed
		switch {
		case errors.As(err, &c) && c.code == 404 && !c.hard:
			return nil
		case err != nil:
			return fmt.Errorf("with %d answers to come: %w", count, err)
		}
		count--
	}
	return nil
}
