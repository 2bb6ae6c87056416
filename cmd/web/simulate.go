package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"wtp-console/internal/hss/hsstest"
)

// SimulateCmd runs the HSS simulator alone, for any HSS client.
// docs/simulator.md describes it.
type SimulateCmd struct {
	Listen  string `default:"127.0.0.1:0" help:"Address HSS and IAM listen on; port 0 takes a free one."`
	Control string `default:"127.0.0.1:0" help:"Address for reading the state and setting faults; empty for none."`

	Servers int   `default:"2500" help:"Protected servers in the fleet, 74 of 100 in the first project."`
	Seed    int64 `default:"1" help:"The same seed makes the same fleet."`
	Plain   bool  `help:"One project of servers that may all be switched, in place of the believable fleet."`

	Latency          time.Duration `default:"0s" help:"Time every answer takes."`
	Limit            int           `default:"0" help:"Calls one user and one address may make of each API in --per; 0 is no limit. HSS documents 5 a minute."`
	Per              time.Duration `default:"1m" help:"Window of --limit."`
	ApplyDelay       time.Duration `default:"0s" help:"Time until the lists show an accepted switch."`
	BackupStartDelay time.Duration `default:"5s" help:"Time a saved backup server stays starting."`
	ExportDelay      time.Duration `default:"1s" help:"Time an export task stays running."`
	SkipUnfit        bool          `help:"Let a switch skip servers it can't switch, in place of refusing the call."`
	Fault            []string      `sep:"none" help:"Misbehave, e.g. op=SetRaspSwitch,kind=status,status=502,after=2,times=1; may be repeated. See docs/simulator.md."`

	AK       string `name:"ak" help:"Access key; default random."`
	SK       string `name:"sk" help:"Secret key; default random."`
	User     string `default:"wtp-console" help:"IAM user."`
	Password string `help:"Password of the IAM user; default random."`
}

// Run prints one line of JSON with everything a client needs and serves until
// ctx ends.
func (c *SimulateCmd) Run(ctx context.Context) error {
	if c.Servers < 1 || c.Servers > 500000 {
		return errors.New("--servers must be 1 to 500000")
	}
	fleet := hsstest.DemoFleet(c.Seed, c.Servers)
	if c.Plain {
		fleet = hsstest.PlainFleet(c.Servers)
	}
	fleet.Users = []hsstest.User{{Name: c.User, Password: c.Password}}
	fleet.Keys = []hsstest.Key{{AK: c.AK, SK: c.SK}}
	var faults []hsstest.Fault
	for _, text := range c.Fault {
		f, err := hsstest.ParseFault(text)
		if err != nil {
			return fmt.Errorf("--fault: %w", err)
		}
		faults = append(faults, f)
	}
	sim := hsstest.New(hsstest.Config{
		Fleet: fleet, Latency: c.Latency, Limit: c.Limit, Per: c.Per, ApplyDelay: c.ApplyDelay,
		BackupStartDelay: c.BackupStartDelay, ExportDelay: c.ExportDelay, SkipUnfit: c.SkipUnfit,
	})
	defer sim.Close()
	for _, f := range faults {
		sim.AddFault(f)
	}
	if err := sim.Listen(c.Listen, c.Control); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(sim.Announcement()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
