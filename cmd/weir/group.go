package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"
)

func groupCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "group", Short: "Look at groups of readers and change them"}
	r.flags(group, true)
	ls := &cobra.Command{Use: "ls", Short: "List groups and how far they are behind", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("name", "kind", "state", "members", "lag", "seconds=lag_seconds"), "api", "weir", "groups", r.vhost)
	}}
	r.columnsFlag(ls)
	var members bool
	show := &cobra.Command{
		Use: "show NAME", Short: "Show how far a group is in every partition", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return r.showGroup(c, args[0], members) },
	}
	show.Flags().BoolVar(&members, "members", false, "show its members instead")
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete a group that has no members", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "group "+printable(args[0])+" deleted", http.MethodDelete, nil, nil, "api", "weir", "groups", r.vhost, args[0])
	}}
	forget := &cobra.Command{
		Use: "forget NAME TOPIC", Short: "Delete a group's positions in a topic that none of its members reads", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return r.changed(c, "positions of group "+printable(args[0])+" in topic "+printable(args[1])+" deleted",
				http.MethodDelete, nil, nil, "api", "weir", "groups", r.vhost, args[0], "positions", args[1])
		},
	}
	group.AddCommand(ls, show, rm, forget, resetCommand(r))
	return group
}

// showGroup prints a part of a group's description, or with JSON all of it.
func (r *remote) showGroup(c *cobra.Command, name string, members bool) error {
	var raw json.RawMessage
	if _, err := r.call(http.MethodGet, nil, &raw, nil, "api", "weir", "groups", r.vhost, name); err != nil {
		return err
	}
	if r.asJSON() {
		return r.printOne(c.OutOrStdout(), raw, nil)
	}
	var parts struct {
		Members   json.RawMessage `json:"member_details"`
		Positions json.RawMessage `json:"positions"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if members {
		return r.print(c.OutOrStdout(), parts.Members, columns("id", "instance", "client", "host", "partitions"))
	}
	return r.print(c.OutOrStdout(), parts.Positions, columns("topic", "partition", "position", "end", "lag", "seconds=lag_seconds", "member"))
}

// resetFlags say where a group begins again: one of them.
type resetFlags struct {
	topics           []string
	earliest, latest bool
	offset           int64
	time             string
	shift            int64
	execute          bool
}

func resetCommand(r *remote) *cobra.Command {
	o := &resetFlags{}
	c := &cobra.Command{
		Use: "reset NAME", Short: "Set where a group goes on; without --execute only show it",
		Long: "Set the positions of a group that has no members. Without --execute nothing is changed and only shown what would be.\n" +
			"What is out of a partition's bounds is set to the bound.",
		Example: "  weir group reset billing --to-earliest\n  weir group reset billing --topic orders:0,1 --shift-by -100 --execute\n" +
			"  weir group reset billing --to-time 2026-01-31T12:00:00Z --execute",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := o.body(c)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if _, err := r.call(http.MethodPost, body, &raw, nil, "api", "weir", "groups", r.vhost, args[0], "reset"); err != nil {
				return err
			}
			if err := r.print(c.OutOrStdout(), raw, columns("topic", "partition", "from", "to")); err != nil {
				return err
			}
			told := "nothing is changed yet; --execute does it"
			if o.execute {
				told = "group " + printable(args[0]) + " reset"
			}
			_, err = fmt.Fprintln(c.ErrOrStderr(), told)
			return err
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.topics, "topic", nil, "TOPIC or TOPIC:PARTITION,PARTITION; all that the group has positions in where none is given")
	f.BoolVar(&o.earliest, "to-earliest", false, "to the first message there is")
	f.BoolVar(&o.latest, "to-latest", false, "behind the last message")
	f.Int64Var(&o.offset, "to-offset", 0, "to this offset")
	f.StringVar(&o.time, "to-time", "", "to the first message of this time or later, such as 2026-01-31T12:00:00Z")
	f.Int64Var(&o.shift, "shift-by", 0, "by so many messages; negative is back")
	f.BoolVar(&o.execute, "execute", false, "do it")
	c.MarkFlagsMutuallyExclusive("to-earliest", "to-latest", "to-offset", "to-time", "shift-by")
	c.MarkFlagsOneRequired("to-earliest", "to-latest", "to-offset", "to-time", "shift-by")
	return c
}

func (o *resetFlags) body(c *cobra.Command) (map[string]any, error) {
	body := map[string]any{"topics": o.topics, "execute": o.execute}
	switch {
	case o.earliest:
		body["to"] = "earliest"
	case o.latest:
		body["to"] = "latest"
	case o.time != "":
		body["to"] = o.time
	case c.Flags().Changed("shift-by"):
		body["shift"] = o.shift
	case c.Flags().Changed("to-offset") && o.offset >= 0:
		body["to"] = strconv.FormatInt(o.offset, 10)
	default:
		return nil, &statusError{exitUsage, errors.New("say where to: an offset is at least 0, and --to-earliest=false says nothing")}
	}
	return body, nil
}
