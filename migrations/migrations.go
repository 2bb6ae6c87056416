// Package migrations holds the schema as numbered SQL, one folder per database.
// The files go forward only and are never edited once released.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// SQLite is the migrations for SQLite.
func SQLite() (fs.FS, error) { return fs.Sub(files, "sqlite") }

// Postgres is the migrations for PostgreSQL.
func Postgres() (fs.FS, error) { return fs.Sub(files, "postgres") }
