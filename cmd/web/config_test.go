package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestNoLogNamesThePassword: in whatever form PostgreSQL takes it.
func TestNoLogNamesThePassword(t *testing.T) {
	for given, want := range map[string]string{
		"postgres://wtp:pa55@db:5432/console?sslmode=require": "postgres://wtp:xxxxx@db:5432/console",
		"postgres://wtp@db/console?password=pa55":             "postgres://wtp@db/console",
		"postgres:///console?host=/run/pg&password=pa55":      "postgres",
		"host=db user=wtp password=pa55 dbname=console":       "postgres",
		"postgres://wtp:pa55@db/%zz":                          "postgres",
	} {
		c := Config{DatabaseURL: given}
		if got := c.database(); got != want {
			t.Errorf("%s is named %s, want %s", given, got, want)
		}
		if said := fmt.Sprint(c.LogValue()); strings.Contains(said, "pa55") {
			t.Error(said)
		}
	}
}
