// Command web is wtp-console: the console itself (`web serve`), a demonstration
// with a simulated HSS (`web demo`), the simulator alone (`web simulate`), and
// the operator's commands beside them. It reads configuration, builds
// everything with struct literals, and runs until told to stop.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a static binary in an empty image has no zone files

	"github.com/alecthomas/kong"
)

// version is set by the linker: -X main.version=….
var version = "dev"

type commands struct {
	Serve       ServeCmd       `cmd:"" default:"withargs" help:"Run the console (the default)."`
	Demo        DemoCmd        `cmd:"" help:"Run the console with a simulated HSS, a fleet, people and some history, in a temporary directory."`
	Simulate    SimulateCmd    `cmd:"" help:"Run the HSS simulator alone and print how to reach it as one line of JSON."`
	User        UserCmd        `cmd:"" help:"Add a person, or reset a password."`
	Key         KeyCmd         `cmd:"" help:"Check or rotate the key ring that seals secrets."`
	History     HistoryCmd     `cmd:"" help:"Verify or export the history."`
	Backup      BackupCmd      `cmd:"" help:"Write a copy of the SQLite database while the console runs."`
	Restore     RestoreCmd     `cmd:"" help:"Put a copy written by backup in the place of the database."`
	Healthcheck HealthcheckCmd `cmd:"" help:"Ask a running console whether it is ready; exit 1 if not."`
	Version     VersionCmd     `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("web"),
		kong.Description("wtp-console: a web console for Huawei Cloud HSS Web Tamper Protection."),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		parser.FatalIfErrorf(err)
		return 2
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		return 1
	}
	return 0
}

// VersionCmd prints the version.
type VersionCmd struct{}

// Run prints it.
func (VersionCmd) Run() error {
	fmt.Println("wtp-console", version)
	return nil
}
