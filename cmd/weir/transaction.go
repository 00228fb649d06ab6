package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"
)

func transactionCommand() *cobra.Command {
	r := &remote{}
	transaction := &cobra.Command{
		Use: "transaction", Short: "Look at open transactions and abort them",
		Long: "Look at open transactions and abort them.\nOne that hangs is open in partitions and coordinated by nobody; it has no id and is named by its producer.",
	}
	r.flags(transaction, true)
	ls := &cobra.Command{Use: "ls", Short: "List open transactions", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("id", "producer", "epoch", "state", "seconds=age_seconds", "partitions"), "api", "weir", "transactions", r.vhost)
	}}
	r.columnsFlag(ls)
	show := &cobra.Command{Use: "show [ID]", Short: "Show an open transaction's partitions", Args: cobra.MaximumNArgs(1)}
	producer := producerFlag(show)
	show.RunE = func(c *cobra.Command, args []string) error {
		path, _, err := r.transactionPath(c, args, *producer)
		if err != nil {
			return err
		}
		return r.showTransaction(c, path)
	}
	abort := &cobra.Command{
		Use: "abort [ID]", Short: "Abort the open transaction of an id, or what hangs of a producer", Args: cobra.MaximumNArgs(1),
		Example: "  weir transaction abort billing\n  weir transaction abort --producer 4711",
	}
	hanging := producerFlag(abort)
	abort.RunE = func(c *cobra.Command, args []string) error {
		path, what, err := r.transactionPath(c, args, *hanging)
		if err != nil {
			return err
		}
		return r.changed(c, "transaction of "+what+" aborted", http.MethodDelete, nil, nil, path...)
	}
	transaction.AddCommand(ls, show, abort)
	return transaction
}

func producerFlag(c *cobra.Command) *uint64 {
	return c.Flags().Uint64("producer", 0, "the transaction's producer, in place of an id")
}

// transactionPath is where the transaction is that the arguments name, and what
// it is called.
func (r *remote) transactionPath(c *cobra.Command, args []string, producer uint64) (path []string, what string, err error) {
	switch named := c.Flags().Changed("producer"); {
	case named == (len(args) == 1):
		return nil, "", &statusError{exitUsage, errors.New("say which: an id or --producer")}
	case named:
		number := strconv.FormatUint(producer, 10)
		return []string{"api", "weir", "transactions", r.vhost, "producers", number}, "producer " + number, nil
	}
	return []string{"api", "weir", "transactions", r.vhost, "ids", args[0]}, "id " + printable(args[0]), nil
}

func (r *remote) showTransaction(c *cobra.Command, path []string) error {
	var raw json.RawMessage
	if _, err := r.call(http.MethodGet, nil, &raw, nil, path...); err != nil {
		return err
	}
	if r.asJSON() {
		return r.printOne(c.OutOrStdout(), raw, nil)
	}
	var parts struct {
		Details json.RawMessage `json:"partition_details"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return r.print(c.OutOrStdout(), parts.Details, columns("topic", "partition"))
}
